-- The rows of the persons of a shard, in a total order.
--
-- Reads   meds_row, shard_subject (subject_id)
SELECT
    subject_id, time, code, numeric_value, visit_id, source_code
FROM meds_row
WHERE subject_id IN (SELECT subject_id FROM shard_subject)
ORDER BY
    subject_id,
    time NULLS FIRST,
    code,
    visit_id NULLS FIRST,
    numeric_value NULLS FIRST,
    source_code NULLS FIRST
