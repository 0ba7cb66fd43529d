-- Birth and death of every person who is known.
SELECT
    known_person.person_id,
    known_person.birth_date,
    known_death.death_date
FROM known_person
LEFT JOIN known_death ON known_person.person_id = known_death.person_id
