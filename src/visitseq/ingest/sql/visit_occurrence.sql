-- Visits: an event at the start, and one at the end where it is known.
SELECT
    'visit_occurrence' AS table_name,
    person_id,
    visit_start_date AS date,
    visit_start_datetime AS datetime,
    visit_end_date AS end_date,
    visit_end_datetime AS end_datetime,
    visit_occurrence_id AS visit_id,
    coalesce(visit_concept_id, 0) AS concept_id,
    care_site_id
FROM visit_occurrence
