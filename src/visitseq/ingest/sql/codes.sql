-- Every code that the events hold, with its name and its ancestors, the nearest first.
WITH parents AS (
    SELECT
        code,
        list(ancestor ORDER BY levels, ancestor_concept_id) AS parent_codes
    FROM known_ancestor
    GROUP BY code
)

SELECT
    known_code.code,
    CASE
        WHEN known_code.code = 'MEDS_BIRTH' THEN 'Birth'
        WHEN known_code.code = 'MEDS_DEATH' THEN 'Death'
        WHEN known_code.domain = 'care_site' THEN site.care_site_name
        ELSE concept.concept_name
    END AS description,
    coalesce(parents.parent_codes, []) AS parent_codes
FROM known_code
LEFT JOIN known_concept AS concept ON known_code.concept_id = concept.concept_id
LEFT JOIN checked_care_site AS site
    ON known_code.concept_id = site.care_site_id AND site.reason IS NULL
LEFT JOIN parents ON known_code.code = parents.code
ORDER BY known_code.code
