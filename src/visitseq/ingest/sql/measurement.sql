-- Measurements with their value as a number.
SELECT
    'measurement' AS table_name,
    'measurement' AS domain,
    person_id,
    measurement_date AS date,
    measurement_datetime AS datetime,
    visit_occurrence_id AS visit_id,
    measurement_concept_id AS concept_id,
    measurement_source_value AS source_value,
    measurement_source_concept_id AS source_concept_id,
    value_as_number AS numeric_value
FROM measurement
