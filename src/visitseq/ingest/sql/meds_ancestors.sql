-- Ancestors of the codes that the events hold, as an export has them.
SELECT
    known_code.code,
    code_ancestor.ancestor,
    code_ancestor.levels,
    code_ancestor.description
FROM event_code AS known_code
INNER JOIN code_ancestor ON known_code.code = code_ancestor.code
ORDER BY
    known_code.code,
    code_ancestor.levels,
    TRY_CAST(split_part(code_ancestor.ancestor, '/', 2) AS BIGINT),
    code_ancestor.ancestor
