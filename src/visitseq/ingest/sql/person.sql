-- One row a row of person: the birth as exactly as the site knows it, and why a row is dropped.
-- A birth known by year alone is put on 1 July of it, one known by month on the 15th.
WITH born AS (
    SELECT
        *,
        coalesce(year_of_birth, year(birth_datetime)) AS birth_year,
        TRY_CAST(concat_ws('-', year_of_birth, month_of_birth, day_of_birth) AS DATE) AS full_date
    FROM person
),

dated AS (
    SELECT
        *,
        CASE
            WHEN
                month_of_birth IS NOT NULL AND day_of_birth IS NOT NULL AND full_date IS NOT NULL
                THEN full_date
            WHEN year(birth_datetime) = birth_year THEN CAST(birth_datetime AS DATE)
        END AS birth_day,
        TRY_CAST(concat_ws('-', birth_year, month_of_birth, 15) AS DATE) AS birth_month,
        TRY_CAST(concat_ws('-', birth_year, 7, 1) AS DATE) AS birth_in_year
    FROM born
),

checked AS (
    SELECT
        person_id,
        coalesce(
            birth_day, CASE WHEN month_of_birth IS NOT NULL THEN birth_month END, birth_in_year
        ) AS birth_date,
        CASE
            WHEN birth_day IS NOT NULL THEN 'day'
            WHEN month_of_birth IS NOT NULL AND birth_month IS NOT NULL THEN 'month'
            ELSE 'year'
        END AS birth_precision,
        gender_concept_id AS sex,
        race_concept_id AS race,
        ethnicity_concept_id AS ethnicity,
        care_site_id AS care_site,
        CASE
            WHEN person_id IS NULL THEN 'unknown_person'
            WHEN birth_in_year IS NULL THEN 'no_date'
            WHEN birth_date < DATE '1900-01-02' OR birth_date > latest_date
                THEN 'implausible_date'
        END AS reason
    FROM dated
    CROSS JOIN setting
)

SELECT
    person_id,
    birth_date,
    birth_precision,
    sex,
    race,
    ethnicity,
    care_site,
    CASE
        WHEN reason IS NOT NULL THEN reason
        WHEN
            row_number() OVER (
                PARTITION BY person_id, reason IS NULL
                ORDER BY birth_date, birth_precision, sex, race, ethnicity, care_site
            ) > 1
            THEN 'duplicate'
    END AS reason
FROM checked
