-- Deaths.
SELECT
    'death' AS table_name,
    person_id,
    death_date AS date,
    death_datetime AS datetime
FROM death
