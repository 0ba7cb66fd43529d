-- Conditions, drugs, procedures, measurements and observations as coded events.
--
-- An event keeps its visit id where that visit is known and the event's day lies no more than a
-- day outside it.
--
-- Reads   checked_event  rows of the event tables with the reason of checked.sql
--         visit_span     (person_id, visit_id, first_day, last_day)
--         known_concept  (concept_id, vocabulary_code)
--         numbered_code  (domain, concept_id, source_value, code_id)
--         event_domain   type: the domains of the event tables
SELECT
    CAST(checked_event.domain AS event_domain) AS domain,
    checked_event.person_id AS subject_id,
    checked_event.time,
    numbered_code.code_id,
    CASE
        WHEN checked_event.day BETWEEN visit_span.first_day - 1 AND visit_span.last_day + 1
            THEN visit_span.visit_id
    END AS visit_id,
    checked_event.numeric_value,
    coalesce(known_concept.vocabulary_code, checked_event.source_value) AS source_code,
    CASE
        WHEN checked_event.reason IS NOT NULL THEN checked_event.reason
        WHEN coalesce(checked_event.concept_id, 0) = 0 AND checked_event.source_value IS NULL
            THEN 'no_concept'
    END AS reason,
    visit_span.visit_id IS NOT NULL
    AND checked_event.day NOT BETWEEN visit_span.first_day - 1 AND visit_span.last_day + 1
        AS detached
FROM checked_event
LEFT JOIN visit_span
    ON checked_event.person_id = visit_span.person_id
    AND checked_event.visit_id = visit_span.visit_id
LEFT JOIN known_concept ON checked_event.source_concept_id = known_concept.concept_id
LEFT JOIN numbered_code
    ON checked_event.domain = numbered_code.domain
    AND coalesce(checked_event.concept_id, 0) = numbered_code.concept_id
    AND CASE
        WHEN coalesce(checked_event.concept_id, 0) = 0 THEN checked_event.source_value ELSE ''
    END = numbered_code.source_value
