-- The visits that are kept, once each. A visit ends no earlier than it starts; one without an end,
-- or with an end before its start, has none.
SELECT
    person_id,
    visit_id,
    concept_id,
    time,
    day,
    max(CASE WHEN end_day >= day THEN end_day END) AS end_day,
    max(CASE WHEN end_day >= day THEN greatest(time, end_time) END) AS end_time,
    min(care_site_id) AS care_site_id
FROM (
    SELECT
        *,
        CASE
            WHEN CAST(end_datetime AS TIME) <> TIME '00:00:00' THEN end_datetime
            ELSE coalesce(CAST(end_date AS TIMESTAMP), end_datetime)
        END AS end_time,
        CAST(end_time AS DATE) AS end_day
    FROM block_visit
    WHERE reason IS NULL
) AS ended
GROUP BY person_id, visit_id, concept_id, time, day
