-- The events, and what else is known of persons as rows: without a time what always holds.
--
-- Reads   events, persons, observation_periods    the tables of stage 1
SELECT
    subject_id, time, code, numeric_value, visit_id, source_code
FROM events
UNION ALL
SELECT
    told.subject_id, told.time, told.code, NULL, NULL, NULL
FROM (
    -- A sex that is known is an event; that a site wrote down none is not.
    SELECT subject_id, CAST(NULL AS TIMESTAMP) AS time, 'sex/0' AS code FROM persons WHERE sex = 0
    UNION ALL
    SELECT subject_id, NULL, '{race}/' || race FROM persons
    UNION ALL
    SELECT subject_id, NULL, '{ethnicity}/' || ethnicity FROM persons
    UNION ALL
    SELECT subject_id, NULL, '{care_site}/' || care_site FROM persons
    UNION ALL
    SELECT subject_id, NULL, '{precision}/' || birth_precision FROM persons
    UNION ALL
    SELECT subject_id, CAST(start AS TIMESTAMP), '{period_start}' FROM observation_periods
    UNION ALL
    SELECT subject_id, CAST("end" AS TIMESTAMP), '{period_end}' FROM observation_periods
) AS told
WHERE told.code IS NOT NULL
