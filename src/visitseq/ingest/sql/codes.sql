-- Every code that the events hold, with its name and its ancestors, the nearest first.
WITH known AS (
    SELECT
        code,
        split_part(code, '/', 1) AS domain,
        CASE
            WHEN NOT contains(code, '/source/') THEN TRY_CAST(split_part(code, '/', 2) AS BIGINT)
        END AS concept_id
    FROM (SELECT DISTINCT code FROM event) AS distinct_code
),

parents AS (
    SELECT
        known.code,
        list(
            known.domain || '/' || concept_ancestor.ancestor_concept_id
            ORDER BY
                concept_ancestor.min_levels_of_separation, concept_ancestor.ancestor_concept_id
        ) AS parent_codes
    FROM known
    INNER JOIN concept_ancestor ON known.concept_id = concept_ancestor.descendant_concept_id
    WHERE
        concept_ancestor.ancestor_concept_id <> known.concept_id AND known.domain <> 'care_site'
    GROUP BY known.code
)

SELECT
    known.code,
    CASE
        WHEN known.code = 'MEDS_BIRTH' THEN 'Birth'
        WHEN known.code = 'MEDS_DEATH' THEN 'Death'
        WHEN known.domain = 'care_site' THEN site.care_site_name
        ELSE concept.concept_name
    END AS description,
    coalesce(parents.parent_codes, []) AS parent_codes
FROM known
LEFT JOIN known_concept AS concept ON known.concept_id = concept.concept_id
LEFT JOIN checked_care_site AS site
    ON known.concept_id = site.care_site_id AND site.reason IS NULL
LEFT JOIN parents ON known.code = parents.code
ORDER BY known.code
