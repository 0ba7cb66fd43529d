-- What became of the rows that tell of a person: of a kind one is kept, of a sex told in two ways none.
SELECT
    kind,
    CASE
        WHEN reason IS NOT NULL THEN reason
        WHEN kind = 'sex' AND first_value <> last_value THEN 'contradictory'
        WHEN kind NOT IN ('period', 'period_end') AND number > 1 THEN 'duplicate'
        ELSE 'kept'
    END AS outcome,
    count(*) AS rows
FROM (
    SELECT
        kind,
        reason,
        min(value) OVER (PARTITION BY subject_id, kind) AS first_value,
        max(value) OVER (PARTITION BY subject_id, kind) AS last_value,
        row_number() OVER (
            PARTITION BY subject_id, kind, reason ORDER BY time, value
        ) AS number
    FROM person_row
) AS numbered
GROUP BY ALL
