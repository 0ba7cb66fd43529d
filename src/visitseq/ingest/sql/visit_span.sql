-- First and last day of each visit that has an id.
SELECT
    person_id,
    visit_id,
    min(day) AS first_day,
    max(coalesce(end_day, day)) AS last_day
FROM known_visit
WHERE visit_id IS NOT NULL
GROUP BY person_id, visit_id
