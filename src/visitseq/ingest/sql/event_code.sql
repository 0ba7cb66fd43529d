-- Every code that the events hold, with its domain, how many events have it, and when the last does.
SELECT
    numbered_code.code,
    numbered_code.domain,
    sum(block_code.events) AS events,
    max(block_code.last_time) AS last_time
FROM block_code
INNER JOIN numbered_code ON block_code.code_id = numbered_code.code_id
GROUP BY numbered_code.code, numbered_code.domain
