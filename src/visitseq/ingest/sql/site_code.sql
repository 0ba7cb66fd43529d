-- Every code that the rows of a site may become: of a concept, or of the source value where a row
-- names no concept; and what the code is of.
--
-- Reads   dated_event, dated_visit    the rows of the event tables, and of the visits
--         known_person                (sex)
WITH named AS (
    SELECT
        domain, concept_id, '' AS source_value
    FROM dated_event
    WHERE concept_id <> 0
    GROUP BY domain, concept_id
    UNION ALL
    SELECT
        domain, 0, source_value
    FROM dated_event
    WHERE coalesce(concept_id, 0) = 0
    GROUP BY domain, source_value
    -- Not a condition for the rows: the source values of all rows would be read for it.
    HAVING count(source_value) > 0
    UNION ALL
    SELECT DISTINCT
        'visit', concept_id, ''
    FROM dated_visit
    UNION ALL
    SELECT DISTINCT
        'visit_end', concept_id, ''
    FROM dated_visit
    UNION ALL
    SELECT DISTINCT
        'care_site', care_site_id, ''
    FROM dated_visit
    WHERE care_site_id IS NOT NULL
    UNION ALL
    SELECT DISTINCT
        'sex', sex, ''
    FROM known_person
    WHERE sex <> 0
    UNION ALL
    VALUES ('MEDS_BIRTH', 0, ''), ('MEDS_DEATH', 0, '')
)

SELECT
    CASE
        WHEN starts_with(domain, 'MEDS_') THEN domain
        WHEN source_value <> '' THEN domain || '/source/' || source_value
        ELSE domain || '/' || concept_id
    END AS code,
    concept_id,
    source_value
FROM named
