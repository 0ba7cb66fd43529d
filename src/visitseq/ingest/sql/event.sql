-- The events of a block in a total order. Codes are numbered in the order of their bytes. Of events
-- that agree in all but the source code the smallest source code comes first: that one is kept.
SELECT
    subject_id,
    time,
    code_id,
    numeric_value,
    visit_id,
    source_code
FROM coded
ORDER BY
    subject_id,
    time NULLS FIRST,
    code_id NULLS FIRST,
    visit_id NULLS FIRST,
    numeric_value NULLS FIRST,
    source_code NULLS LAST
