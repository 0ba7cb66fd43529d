-- One row a person. First and last event: visit starts and clinical events.
WITH observed AS (
    SELECT
        subject_id,
        min(start) AS observation_start,
        max("end") AS observation_end
    FROM known_period
    GROUP BY subject_id
)

SELECT
    known_person.person_id AS subject_id,
    known_person.birth_date,
    known_person.birth_precision,
    known_person.sex,
    known_person.race,
    known_person.ethnicity,
    known_person.care_site,
    known_death.death_date,
    seen.first_event,
    seen.last_event,
    observed.observation_start,
    observed.observation_end
FROM known_person
LEFT JOIN known_death ON known_person.person_id = known_death.person_id
LEFT JOIN seen ON known_person.person_id = seen.subject_id
LEFT JOIN observed ON known_person.person_id = observed.subject_id
ORDER BY subject_id
