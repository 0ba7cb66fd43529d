-- The events of a block: the rows that are kept, and what was made.
SELECT
    event.subject_id,
    event.time,
    numbered_code.code_id,
    event.numeric_value,
    event.visit_id,
    event.source_code
FROM (
    SELECT subject_id, time, code, numeric_value, visit_id, source_code
    FROM checked_row
    WHERE reason IS NULL AND kind IN ('event', 'end')
    UNION ALL BY NAME
    SELECT * FROM made
) AS event
INNER JOIN numbered_code ON event.code = numbered_code.code
WHERE event.subject_id BETWEEN getvariable('low') AND getvariable('high')
