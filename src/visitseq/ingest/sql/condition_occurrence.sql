-- Conditions, each at the day on which it was recorded to begin.
SELECT
    'condition_occurrence' AS table_name,
    'condition' AS domain,
    person_id,
    condition_start_date AS date,
    condition_start_datetime AS datetime,
    visit_occurrence_id AS visit_id,
    condition_concept_id AS concept_id,
    condition_source_value AS source_value,
    condition_source_concept_id AS source_concept_id,
    CAST(NULL AS FLOAT) AS numeric_value
FROM condition_occurrence
