-- Procedures.
SELECT
    'procedure_occurrence' AS table_name,
    'procedure' AS domain,
    person_id,
    procedure_date AS date,
    procedure_datetime AS datetime,
    visit_occurrence_id AS visit_id,
    procedure_concept_id AS concept_id,
    procedure_source_value AS source_value,
    procedure_source_concept_id AS source_concept_id,
    CAST(NULL AS FLOAT) AS numeric_value
FROM procedure_occurrence
