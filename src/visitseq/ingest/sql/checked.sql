-- When each row of a dated table is, whether it is dropped, and for which reason: the first that
-- holds. The datetime serves where it tells more than a day; otherwise the date does.
--
-- Reads   dated         the table's rows, with person_id, date and datetime
--         life          (person_id, birth_date, death_date), of every person that may have rows
--         setting       one row: latest_date
SELECT
    timed.*,
    CAST(timed.time AS DATE) AS day,
    CASE
        WHEN life.person_id IS NULL THEN 'unknown_person'
        WHEN timed.time IS NULL THEN 'no_date'
        WHEN year(timed.time) < year(life.birth_date) THEN 'before_birth'
        WHEN CAST(timed.time AS DATE) > life.death_date + 30 THEN 'after_death'
        WHEN timed.time < DATE '1900-01-02' OR CAST(timed.time AS DATE) > setting.latest_date
            THEN 'implausible_date'
    END AS reason
FROM (
    SELECT
        *,
        CASE
            WHEN CAST(datetime AS TIME) <> TIME '00:00:00' THEN datetime
            ELSE coalesce(CAST(date AS TIMESTAMP), datetime)
        END AS time
    FROM dated
) AS timed
LEFT JOIN life ON timed.person_id = life.person_id
CROSS JOIN setting
