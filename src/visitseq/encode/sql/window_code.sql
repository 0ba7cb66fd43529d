-- The codes of each visit that lies in a cohort row's window.
--
-- Reads   visit_event  (subject_id, visit, start, end, code, source_code)
--         cohort_row   (row, subject_id, window_start, window_end)
-- Gives   row, visit, day (the visit's first), code, source_codes (a list of those of the code's
--         events, or null), dropped (a code of the phenotype), straddles
--
-- A visit is in the window if it starts at or after window_start and has ended before window_end.
SELECT
    cohort_row.row,
    visit_event.visit,
    CAST(visit_event.start AS DATE) AS day,
    visit_event.code,
    {source_codes} AS source_codes,
    bool_or({dropped}) AS dropped,
    visit_event."end" >= cohort_row.window_end AS straddles
FROM visit_event
INNER JOIN cohort_row ON visit_event.subject_id = cohort_row.subject_id
WHERE
    visit_event.start >= cohort_row.window_start AND visit_event.start < cohort_row.window_end
GROUP BY ALL
ORDER BY cohort_row.row, visit_event.visit, visit_event.code
