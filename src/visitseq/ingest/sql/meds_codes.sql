-- Every code that the events hold, as the data set describes it.
SELECT
    known_code.code,
    coalesce(
        min(code_metadata.description),
        CASE known_code.code WHEN 'MEDS_BIRTH' THEN 'Birth' WHEN 'MEDS_DEATH' THEN 'Death' END
    ) AS description,
    coalesce(
        min(code_metadata.parent_codes) FILTER (WHERE len(code_metadata.parent_codes) > 0), []
    ) AS parent_codes
FROM event_code AS known_code
LEFT JOIN code_metadata ON known_code.code = code_metadata.code
GROUP BY known_code.code
ORDER BY known_code.code
