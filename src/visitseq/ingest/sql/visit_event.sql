-- What the visits, births, sexes and deaths become as events.
SELECT
    person_id AS subject_id, time, 'visit/' || concept_id AS code, visit_id
FROM known_visit
UNION ALL
SELECT
    person_id, end_time, 'visit_end/' || concept_id, visit_id
FROM known_visit
WHERE end_time IS NOT NULL
UNION ALL
SELECT
    person_id, time, 'care_site/' || care_site_id, visit_id
FROM known_visit
WHERE care_site_id IS NOT NULL
UNION ALL
SELECT
    person_id, CAST(birth_date AS TIMESTAMP), 'MEDS_BIRTH', NULL
FROM known_person
UNION ALL
SELECT
    person_id, CAST(birth_date AS TIMESTAMP), 'sex/' || sex, NULL
FROM known_person
WHERE sex <> 0
UNION ALL
SELECT
    person_id, death_time, 'MEDS_DEATH', NULL
FROM known_death
