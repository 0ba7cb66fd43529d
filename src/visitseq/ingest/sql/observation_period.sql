-- Observation periods, dated by their start; a period without an end has no date.
SELECT
    'observation_period' AS table_name,
    person_id,
    CASE WHEN observation_period_end_date IS NOT NULL THEN observation_period_start_date END
        AS date,
    CAST(NULL AS TIMESTAMP) AS datetime,
    observation_period_end_date AS end_date
FROM observation_period
