-- Every row of data/: what it is, whether it is dropped, and for which reason: the first that holds.
-- A row without a time is kept, but for one that says when something was. The end of a visit or of an
-- observation period may lie anywhere, as in OMOP.
--
-- Reads   meds_data    (subject_id, time, code, numeric_value, visit_id, source_code)
--         placed       (meds_code, code, source_code, kind, value), a row a code
--         known_birth  (person_id, birth_time)
--         known_death  (person_id, death_date, death_time)
--         setting      one row: latest_date
SELECT
    meds_data.subject_id,
    meds_data.time,
    placed.code,
    meds_data.numeric_value,
    meds_data.visit_id,
    coalesce(nullif(trim(meds_data.source_code), ''), placed.source_code) AS source_code,
    placed.kind,
    placed.value,
    CASE
        WHEN meds_data.subject_id IS NULL THEN 'unknown_person'
        WHEN trim(coalesce(meds_data.code, '')) = '' THEN 'no_concept'
        WHEN
            meds_data.time IS NULL AND placed.kind IN ('birth', 'death', 'period', 'period_end')
            THEN 'no_date'
        WHEN placed.kind NOT IN ('event', 'birth', 'death', 'period') THEN NULL
        WHEN year(meds_data.time) < year(known_birth.birth_time) THEN 'before_birth'
        WHEN CAST(meds_data.time AS DATE) > known_death.death_date + 30 THEN 'after_death'
        WHEN
            meds_data.time < DATE '1900-01-02'
            OR CAST(meds_data.time AS DATE) > setting.latest_date
            THEN 'implausible_date'
    END AS reason
FROM meds_data
LEFT JOIN placed ON meds_data.code = placed.meds_code
LEFT JOIN known_birth ON meds_data.subject_id = known_birth.person_id
LEFT JOIN known_death ON meds_data.subject_id = known_death.person_id
CROSS JOIN setting
