-- Every ancestor of every code that the events hold, with the steps up to it and its name, which
-- is unknown where the concept table lacks it. A pair that the site has twice stands once.
SELECT
    known_code.code,
    known_code.domain || '/' || concept_ancestor.ancestor_concept_id AS ancestor,
    concept_ancestor.ancestor_concept_id,
    min(concept_ancestor.min_levels_of_separation) AS levels,
    min(known_concept.concept_name) AS description
FROM known_code
INNER JOIN concept_ancestor ON known_code.concept_id = concept_ancestor.descendant_concept_id
LEFT JOIN known_concept ON concept_ancestor.ancestor_concept_id = known_concept.concept_id
WHERE
    concept_ancestor.ancestor_concept_id <> known_code.concept_id
    AND known_code.domain <> 'care_site'
GROUP BY known_code.code, known_code.domain, concept_ancestor.ancestor_concept_id
