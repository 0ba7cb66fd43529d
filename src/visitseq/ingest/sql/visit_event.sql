-- What the visits, births, sexes and deaths of a block become as events.
SELECT
    made.subject_id,
    made.time,
    numbered_code.code_id,
    made.visit_id
FROM (
    SELECT
        person_id AS subject_id, time, 'visit' AS domain, concept_id, visit_id
    FROM known_visit
    UNION ALL
    SELECT
        person_id, end_time, 'visit_end', concept_id, visit_id
    FROM known_visit
    WHERE end_time IS NOT NULL
    UNION ALL
    SELECT
        person_id, time, 'care_site', care_site_id, visit_id
    FROM known_visit
    WHERE care_site_id IS NOT NULL
    UNION ALL
    SELECT
        person_id, CAST(birth_date AS TIMESTAMP), 'MEDS_BIRTH', 0, NULL
    FROM known_person
    WHERE person_id BETWEEN getvariable('low') AND getvariable('high')
    UNION ALL
    SELECT
        person_id, CAST(birth_date AS TIMESTAMP), 'sex', sex, NULL
    FROM known_person
    WHERE sex <> 0 AND person_id BETWEEN getvariable('low') AND getvariable('high')
    UNION ALL
    SELECT
        person_id, death_time, 'MEDS_DEATH', 0, NULL
    FROM known_death
    WHERE person_id BETWEEN getvariable('low') AND getvariable('high')
) AS made
INNER JOIN numbered_code
    ON made.domain = numbered_code.domain AND made.concept_id = numbered_code.concept_id
