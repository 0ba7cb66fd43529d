-- Visits that rows name and no row tells of: from the first of those rows to the last.
SELECT
    subject_id,
    visit_id,
    min(time) AS start,
    max(time) AS "end"
FROM checked_row
WHERE reason IS NULL AND kind IN ('event', 'end') AND visit_id IS NOT NULL AND time IS NOT NULL
GROUP BY subject_id, visit_id
HAVING NOT bool_or(starts_with(code, 'visit/'))
