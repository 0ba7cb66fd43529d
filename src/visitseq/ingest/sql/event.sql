-- The events of a block, in no order and some more than once.
SELECT
    subject_id,
    time,
    code_id,
    numeric_value,
    visit_id,
    source_code
FROM coded
