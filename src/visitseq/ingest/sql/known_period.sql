-- The observation periods that are kept, those of a person that overlap or adjoin joined.
WITH reached AS (
    SELECT
        person_id,
        day AS start,
        end_date,
        max(end_date) OVER (
            PARTITION BY person_id ORDER BY day, end_date
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reached_day
    FROM checked_period
    WHERE reason IS NULL
),

numbered AS (
    SELECT
        *,
        sum(CASE WHEN reached_day >= start - 1 THEN 0 ELSE 1 END) OVER (
            PARTITION BY person_id ORDER BY start
        ) AS period
    FROM reached
)

SELECT
    person_id AS subject_id,
    min(start) AS start,
    greatest(min(start), max(end_date)) AS "end"
FROM numbered
GROUP BY person_id, period
ORDER BY subject_id, start
