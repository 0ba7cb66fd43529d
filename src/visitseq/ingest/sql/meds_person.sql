-- One row a person that the data names: the birth, and what rows that are kept say of her. A sex that
-- is told in two ways is unknown.
WITH told AS (
    SELECT
        subject_id,
        CASE
            WHEN count(DISTINCT value) FILTER (WHERE kind = 'sex') = 1
                THEN CAST(min(value) FILTER (WHERE kind = 'sex') AS BIGINT)
        END AS sex,
        min(CASE WHEN kind = 'race' THEN CAST(value AS BIGINT) END) AS race,
        min(CASE WHEN kind = 'ethnicity' THEN CAST(value AS BIGINT) END) AS ethnicity,
        min(CASE WHEN kind = 'care_site' THEN CAST(value AS BIGINT) END) AS care_site,
        min(value) FILTER (WHERE kind = 'precision') AS birth_precision
    FROM person_row
    WHERE reason IS NULL
    GROUP BY subject_id
)

SELECT
    subject.subject_id AS person_id,
    known_birth.birth_time,
    CAST(known_birth.birth_time AS DATE) AS birth_date,
    CASE
        WHEN known_birth.birth_time IS NOT NULL THEN coalesce(told.birth_precision, 'day')
    END AS birth_precision,
    told.sex,
    told.race,
    told.ethnicity,
    told.care_site
FROM (SELECT DISTINCT subject_id FROM meds_data WHERE subject_id IS NOT NULL) AS subject
LEFT JOIN known_birth ON subject.subject_id = known_birth.person_id
LEFT JOIN told ON subject.subject_id = told.subject_id
