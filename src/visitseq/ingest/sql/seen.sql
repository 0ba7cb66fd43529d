-- Of each person of a block of events the first and the last visit start or clinical event.
SELECT
    block_event.subject_id,
    min(block_event.time) AS first_event,
    max(block_event.time) AS last_event
FROM block_event
INNER JOIN numbered_code ON block_event.code_id = numbered_code.code_id
WHERE
    numbered_code.domain
    IN ('visit', 'condition', 'drug', 'procedure', 'measurement', 'observation')
GROUP BY block_event.subject_id
