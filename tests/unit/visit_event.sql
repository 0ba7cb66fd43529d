-- One row a clinical event: the merged visit that it belongs to.
--
-- Reads   event   (subject_id, time, code, visit_id, source_code)
--         domain  (name): the domains whose events make visits
-- Gives   subject_id, visit (0, 1, … in time order), start, end, time, code, source_code,
--         open_visit_id (the id of a stay of more than 366 days)
WITH stay AS (
    -- The recorded stay of each visit id.
    SELECT
        subject_id,
        visit_id,
        min(time) FILTER (WHERE code LIKE 'visit/%') AS began,
        max(time) FILTER (WHERE code LIKE 'visit\_end/%' ESCAPE '\') AS ended
    FROM event
    WHERE visit_id IS NOT NULL AND code LIKE 'visit%'
    GROUP BY subject_id, visit_id
),

clinical AS (
    -- A stay of more than 366 days (an end never filled in, a residence) groups nothing.
    SELECT
        event.subject_id,
        event.time,
        event.code,
        event.source_code,
        coalesce(date_diff('day', began, ended) > 366, FALSE) AS open_ended,
        CASE WHEN open_ended THEN NULL ELSE event.visit_id END AS visit_id,
        CASE WHEN open_ended THEN NULL ELSE ended END AS ended,
        CASE WHEN open_ended THEN event.visit_id END AS open_visit_id,
        CASE WHEN open_ended OR event.visit_id IS NULL THEN CAST(event.time AS DATE) END AS day
    FROM event
    LEFT JOIN stay ON event.subject_id = stay.subject_id AND event.visit_id = stay.visit_id
    WHERE event.time IS NOT NULL AND split_part(event.code, '/', 1) IN (SELECT name FROM domain)
),

grouped AS (
    -- Events that share a visit id, or without one a calendar day.
    SELECT
        subject_id,
        visit_id,
        day,
        min(time) AS start,
        greatest(max(time), max(ended)) AS "end"
    FROM clinical
    GROUP BY subject_id, visit_id, day
),

reached AS (
    -- The last day that the groups which begin earlier reach.
    SELECT
        *,
        max(CAST("end" AS DATE)) OVER (
            PARTITION BY subject_id ORDER BY CAST(start AS DATE), CAST("end" AS DATE)
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reached_day
    FROM grouped
),

numbered AS (
    -- A group that begins after that day begins a new visit: overlapping groups, and groups that
    -- share a day, are one. Groups that begin on one day are peers of the window, so that their
    -- order among themselves does not matter.
    SELECT
        *,
        CAST(sum(CASE WHEN reached_day >= CAST(start AS DATE) THEN 0 ELSE 1 END) OVER (
            PARTITION BY subject_id ORDER BY CAST(start AS DATE)
        ) AS INTEGER) - 1 AS visit
    FROM reached
),

bounded AS (
    SELECT
        subject_id,
        visit_id,
        day,
        visit,
        min(start) OVER (PARTITION BY subject_id, visit) AS start,
        max("end") OVER (PARTITION BY subject_id, visit) AS "end"
    FROM numbered
)

SELECT
    clinical.subject_id,
    bounded.visit,
    bounded.start,
    bounded."end",
    clinical.time,
    clinical.code,
    clinical.source_code,
    clinical.open_visit_id
FROM clinical
INNER JOIN bounded
    ON clinical.subject_id = bounded.subject_id
    AND clinical.visit_id IS NOT DISTINCT FROM bounded.visit_id
    AND clinical.day IS NOT DISTINCT FROM bounded.day
