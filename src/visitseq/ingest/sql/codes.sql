-- Every code that the events hold, with its name and its ancestors, the nearest first; and the name
-- of every ancestor that the events do not hold, whose own ancestors are null.
WITH held AS (
    SELECT
        code,
        split_part(code, '/', 1) AS domain,
        CASE
            WHEN NOT contains(code, '/source/') THEN TRY_CAST(split_part(code, '/', 2) AS BIGINT)
        END AS concept_id
    FROM (SELECT DISTINCT code FROM event) AS distinct_code
),

parent AS (
    SELECT
        held.code,
        held.domain || '/' || concept_ancestor.ancestor_concept_id AS parent_code,
        held.domain,
        concept_ancestor.ancestor_concept_id AS concept_id,
        concept_ancestor.min_levels_of_separation AS levels
    FROM held
    INNER JOIN concept_ancestor ON held.concept_id = concept_ancestor.descendant_concept_id
    WHERE
        concept_ancestor.ancestor_concept_id <> held.concept_id AND held.domain <> 'care_site'
),

parents AS (
    SELECT
        code,
        list(parent_code ORDER BY levels, concept_id) AS parent_codes,
        list(levels ORDER BY levels, concept_id) AS parent_levels
    FROM parent
    GROUP BY code
),

known AS (
    SELECT
        held.code,
        held.domain,
        held.concept_id,
        coalesce(parents.parent_codes, []) AS parent_codes,
        coalesce(parents.parent_levels, []) AS parent_levels
    FROM held
    LEFT JOIN parents ON held.code = parents.code
    UNION ALL
    SELECT DISTINCT
        parent.parent_code,
        parent.domain,
        parent.concept_id,
        NULL,
        NULL
    FROM parent
    INNER JOIN known_concept ON parent.concept_id = known_concept.concept_id
    WHERE parent.parent_code NOT IN (SELECT held.code FROM held)
)

SELECT
    known.code,
    CASE
        WHEN known.code = 'MEDS_BIRTH' THEN 'Birth'
        WHEN known.code = 'MEDS_DEATH' THEN 'Death'
        WHEN known.domain = 'care_site' THEN site.care_site_name
        ELSE concept.concept_name
    END AS description,
    known.parent_codes,
    known.parent_levels
FROM known
LEFT JOIN known_concept AS concept ON known.concept_id = concept.concept_id
LEFT JOIN checked_care_site AS site
    ON known.concept_id = site.care_site_id AND site.reason IS NULL
ORDER BY known.code
