-- Drugs, each at the start of the exposure.
SELECT
    'drug_exposure' AS table_name,
    'drug' AS domain,
    person_id,
    drug_exposure_start_date AS date,
    drug_exposure_start_datetime AS datetime,
    visit_occurrence_id AS visit_id,
    drug_concept_id AS concept_id,
    drug_source_value AS source_value,
    drug_source_concept_id AS source_concept_id,
    CAST(NULL AS FLOAT) AS numeric_value
FROM drug_exposure
