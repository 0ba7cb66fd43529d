-- Observations with their value as a number.
SELECT
    'observation' AS table_name,
    'observation' AS domain,
    person_id,
    observation_date AS date,
    observation_datetime AS datetime,
    visit_occurrence_id AS visit_id,
    observation_concept_id AS concept_id,
    observation_source_value AS source_value,
    observation_source_concept_id AS source_concept_id,
    value_as_number AS numeric_value
FROM observation
