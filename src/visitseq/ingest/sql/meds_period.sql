-- Observation periods: of a person the first start with the first end, the second with the second. A
-- start that is dropped takes its end with it.
WITH numbered AS (
    SELECT
        subject_id,
        kind,
        CAST(time AS DATE) AS day,
        reason,
        row_number() OVER (PARTITION BY subject_id, kind ORDER BY time) AS number
    FROM person_row
    WHERE kind IN ('period', 'period_end') AND subject_id IS NOT NULL AND time IS NOT NULL
)

SELECT
    started.subject_id AS person_id,
    started.day,
    ended.day AS end_date,
    started.reason
FROM numbered AS started
INNER JOIN numbered AS ended
    ON started.subject_id = ended.subject_id AND started.number = ended.number
WHERE started.kind = 'period' AND ended.kind = 'period_end'
