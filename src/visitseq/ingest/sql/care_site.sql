-- Care sites, for their names.
SELECT
    care_site_id,
    care_site_name,
    CASE
        WHEN care_site_id IS NULL THEN 'no_concept'
        WHEN row_number() OVER (PARTITION BY care_site_id ORDER BY care_site_name) > 1
            THEN 'duplicate'
    END AS reason
FROM care_site
