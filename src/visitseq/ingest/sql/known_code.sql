-- Every code that the events hold, with its domain, and its concept where it names one.
SELECT
    code,
    split_part(code, '/', 1) AS domain,
    CASE
        WHEN NOT contains(code, '/source/') THEN TRY_CAST(split_part(code, '/', 2) AS BIGINT)
    END AS concept_id
FROM (SELECT DISTINCT code FROM event) AS distinct_code
