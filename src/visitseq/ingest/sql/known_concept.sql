-- The name of each concept, and its vocabulary and code where it has both.
SELECT
    concept_id,
    min(concept_name) AS concept_name,
    min(vocabulary_id || '/' || concept_code) AS vocabulary_code
FROM concept
WHERE concept_id <> 0
GROUP BY concept_id
