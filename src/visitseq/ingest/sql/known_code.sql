-- Every code that the events hold, with its domain, and its concept where it names one.
SELECT
    code,
    domain,
    CASE
        WHEN NOT contains(code, '/source/') THEN TRY_CAST(split_part(code, '/', 2) AS BIGINT)
    END AS concept_id
FROM event_code
