-- Every event once: of rows that agree in all but the source code, the smallest source code stays.
SELECT
    subject_id,
    time,
    code,
    numeric_value,
    visit_id,
    min(source_code) AS source_code
FROM coded
GROUP BY subject_id, time, code, numeric_value, visit_id
ORDER BY
    subject_id,
    time NULLS FIRST,
    code NULLS FIRST,
    visit_id NULLS FIRST,
    numeric_value NULLS FIRST,
    source_code NULLS FIRST
