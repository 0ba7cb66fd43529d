-- The codes of each visit in a cohort row's whole record.
--
-- Reads   visit_event  (subject_id, visit, start, end, code, source_code)
--         cohort_row   (row, subject_id, index_time)
-- Gives   row, visit, day (the visit's first), code, source_codes (a list of those of the code's
--         events, or null)
--
-- A visit belongs to the record if it starts before index_time, the midnight after the last event.
SELECT
    cohort_row.row,
    visit_event.visit,
    CAST(visit_event.start AS DATE) AS day,
    visit_event.code,
    {source_codes} AS source_codes
FROM visit_event
INNER JOIN cohort_row ON visit_event.subject_id = cohort_row.subject_id
WHERE visit_event.start < cohort_row.index_time
GROUP BY ALL
ORDER BY cohort_row.row, visit_event.visit, visit_event.code
