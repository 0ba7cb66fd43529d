-- What births, sexes, deaths and visits without a row of their own become as events.
SELECT
    person_id AS subject_id, birth_time AS time, 'MEDS_BIRTH' AS code, NULL AS visit_id
FROM known_birth
UNION ALL
SELECT
    person_id, birth_time, 'sex/' || sex, NULL
FROM known_person
WHERE sex <> 0
UNION ALL
SELECT
    person_id, death_time, 'MEDS_DEATH', NULL
FROM known_death
UNION ALL
SELECT
    subject_id, start, 'visit/0', visit_id
FROM stay
UNION ALL
SELECT
    subject_id, "end", 'visit_end/0', visit_id
FROM stay
