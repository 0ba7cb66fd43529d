-- Every code of the data, with its name, the codes above it and how far above each is.
--
-- Reads   meds_row
--         codes, ancestors    the tables of stage 1
WITH above AS (
    SELECT
        code,
        list(
            struct_pack(ancestor := ancestor, levels := levels, description := description)
            ORDER BY levels, ancestor
        ) AS ancestors
    FROM ancestors
    GROUP BY code
)

SELECT
    named.code,
    CASE named.code
        WHEN '{period_start}' THEN 'First day of an observation period'
        WHEN '{period_end}' THEN 'Last day of an observation period'
        ELSE codes.description
    END AS description,
    coalesce(codes.parent_codes, []) AS parent_codes,
    coalesce(above.ancestors, []) AS ancestors
FROM (SELECT DISTINCT code FROM meds_row) AS named
LEFT JOIN codes ON named.code = codes.code
LEFT JOIN above ON named.code = above.code
ORDER BY named.code
