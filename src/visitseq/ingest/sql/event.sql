-- Every event once: of rows that agree in all but the source code, the smallest source code stays.
--
-- Parquet says of each column whether it can be null, and DuckDB says what it concludes from the
-- statistics of what it reads, of Parquet more than of CSV. Of greatest(x, NULL), which is x, it
-- concludes nothing: the same records are the same bytes, wherever they come from.
SELECT
    greatest(subject_id, NULL) AS subject_id,
    greatest(time, NULL) AS time,
    code,
    numeric_value,
    visit_id,
    source_code
FROM (
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
) AS sorted
