"""The sheets' questions on data, participants and outcome."""

from visitseq.audit.sheet_facts import (
    CONFIGURATION,
    FIGURES,
    Answer,
    Facts,
    Open,
    Reply,
    Section,
    joined,
    named,
    shown,
)
from visitseq.figures.labels import months_text
from visitseq.figures.small_cells import show_count

_SOURCES = {
    "simulated": "visitseq's simulator",
    "omop": "an OMOP CDM",
    "meds": "a MEDS data set",
    "doctorai": "files of Doctor AI's released code",
}
#: What each key of matching makes alike.
_CALIPERS = {
    "age_years": "age",
    "first_visit_days": "first visit",
    "visits": "visits",
    "span_days": "span of the record",
}
_NO_ONSET = Open("the study has no task with an outcome")


def title(facts: Facts) -> Reply:
    """Suggest a title."""
    if not facts.onsets:
        return _NO_ONSET
    diseases = dict.fromkeys(_disease(section) for section in facts.cohorts.values())
    what = joined(list(diseases))
    kind = "Development and internal validation"
    kind += " and transfer to another site" if facts.study.transferred else ""
    note = f" ({facts.records} records)"
    text = f"Suggested: {kind} of {joined(list(facts.models))} for the onset of {what}{note}."
    return Answer(text, (CONFIGURATION,))


def objectives(facts: Facts) -> Reply:
    """Say whether models are developed, evaluated or both."""
    if not facts.models:
        return Open("no model of a task with an outcome was run")
    text = (
        f"To develop {named(len(facts.models), 'model')} ({', '.join(facts.models)}) at "
        f"{joined(list(facts.study.synthetic))} and to evaluate each on persons of the same site "
        f"whom it did not see ({named(len(facts.study.folds), 'fold')})."
    )
    for direction in facts.study.directions:
        text += f" Models of {direction.source} are also evaluated at {direction.target}."
    return Answer(text, (CONFIGURATION,))


def sources(facts: Facts) -> Reply:
    """Say where the records come from and how many there are."""
    lines, files = [], []
    for site in facts.study.synthetic:
        summary, section = facts.summary(site), facts.sections["sites"][site]
        persons = show_count(summary["persons"], facts.study.minimum_cell)
        lines.append(
            f"{site}: {facts.study.records(site)} records from {_SOURCES[section['source']]}, "
            f"{persons} persons with {summary['visits']:,} visits and {summary['events']:,} events."
        )
        files.append(f"results/1_ingest/{site}/summary.json")
    if not lines:
        return Open("the study has no site with records")
    return Answer(" ".join(lines), tuple(files))


def dates(facts: Facts) -> Reply:
    """Say the years of the index dates."""
    lines = _characteristic(facts, "Year of the index date, median [quartiles]")
    if not lines:
        return _NO_ONSET
    years = [f"{site} {facts.summary(site)['last_year']}" for site in facts.study.synthetic]
    text = f"Year of the index date, median [quartiles]: {lines} Last year: {'; '.join(years)}."
    files = [f"results/1_ingest/{site}/summary.json" for site in facts.study.synthetic]
    return Answer(text, (shown("cohort"), *files))


def eligibility(facts: Facts) -> Reply:
    """Say the criteria of each cohort."""
    if not facts.cohorts:
        return _NO_ONSET
    text = " ".join(f"{name}: {_criteria(own)}" for name, own in facts.cohorts.items())
    return Answer(text, (CONFIGURATION, f"{FIGURES}/fig_attrition.svg"))


def design(facts: Facts) -> Reply:
    """Say how each cohort was sampled."""
    if not facts.cohorts:
        return _NO_ONSET
    text = " ".join(f"{name}: {_design(own)}" for name, own in facts.cohorts.items())
    return Answer(text, (CONFIGURATION, f"{FIGURES}/fig_love.svg"))


def population(facts: Facts) -> Reply:
    """Say the codes and rules that make the population."""
    who, what = eligibility(facts), outcome(facts)
    if isinstance(who, Open) or isinstance(what, Open):
        return _NO_ONSET
    return Answer(f"{who.text} {what.text}", (*who.files, *what.files[1:]))


def treatments(facts: Facts) -> Reply:
    """Say what is known of treatment before the index date."""
    table = facts.table("giveaways")
    table = table[table["giveaway"] == "loop_diuretics"]
    if table.empty:
        return _NO_ONSET
    lines = [
        f"{row.site}, {row.task}: {row.cases} of cases, {row.controls} of controls"
        for row in table.itertuples()
    ]
    text = (
        "Drugs are predictors where an encoding reads them; nothing else was done about treatment. "
        f"Windows with a loop diuretic: {'; '.join(lines)}."
    )
    return Answer(text, (shown("giveaways"), CONFIGURATION))


def preparation(facts: Facts) -> Reply:
    """Say which rows were dropped, alike for everybody."""
    lines, files = [], []
    for site in facts.study.synthetic:
        tables = facts.summary(site)["tables"].values()
        read, kept = (sum(table[key] for table in tables) for key in ("read", "kept"))
        dropped = show_count(read - kept, facts.study.minimum_cell)
        reasons = sorted({reason for table in tables for reason in table["dropped"]})
        why = f" ({', '.join(reasons)})" if reasons else ""
        lines.append(f"{site}: {kept:,} of {read:,} rows kept, {dropped} dropped{why}.")
        files.append(f"results/1_ingest/{site}/summary.json")
    if not lines:
        return Open("the study has no site with records")
    text = f"The same rules for every person, each dropped row counted by reason. {' '.join(lines)}"
    return Answer(text, tuple(files))


def outcome(facts: Facts) -> Reply:
    """Say what is predicted."""
    if not facts.onsets:
        return _NO_ONSET
    lines = [
        f"{task}: {_onset(facts.cohorts[own['cohort']])}; {months_text(own)} before the index "
        f"date; codes of the phenotype are {_phenotype_codes(own)} what models read."
        for task, own in facts.onsets.items()
    ]
    return Answer(" ".join(lines), (CONFIGURATION, f"{FIGURES}/fig_schematic_windows.svg"))


def by_rule(facts: Facts) -> Reply:
    """Say that nobody judged."""
    text = "Computed from recorded codes by the rules of the configuration; nobody judged anything."
    return Answer(text, (CONFIGURATION,))


def same_outcome(facts: Facts) -> Reply:
    """Say that one rule holds for everybody."""
    if not facts.onsets:
        return _NO_ONSET
    text = (
        "One phenotype and one rule for every person of a cohort. Whoever comes more often has "
        "more occasions to get a code: the AUROC among persons with as many visits is in the table."
    )
    return Answer(text, (CONFIGURATION, shown("strata")))


def outcome_blind(facts: Facts) -> Reply:
    """Say how outcome and predictors are kept apart."""
    if not facts.onsets:
        return _NO_ONSET
    kept = [task for task, own in facts.onsets.items() if own["phenotype_codes"] == "keep"]
    text = "The outcome is a rule on the phenotype's codes. "
    text += (
        f"These codes are predictors too in {joined(kept)}."
        if kept
        else "These codes are dropped from what models read."
    )
    return Answer(
        f"{text} Windows that hold them or a treatment are counted.",
        (
            CONFIGURATION,
            shown("giveaways"),
        ),
    )


def interval(facts: Facts) -> Reply:
    """Say how long before the outcome predictors end."""
    if not facts.onsets:
        return _NO_ONSET
    lines = [f"{task}: {months_text(own)}" for task, own in facts.onsets.items()]
    return Answer(f"{'; '.join(lines)}.", (CONFIGURATION, f"{FIGURES}/fig_schematic_windows.svg"))


def flow(facts: Facts) -> Reply:
    """Say how many cases and controls there are in the end."""
    lines = _characteristic(facts, "Persons")
    if not lines:
        return _NO_ONSET
    text = f"Persons in the cohorts: {lines} How many each criterion left is in the figure."
    return Answer(text, (shown("cohort"), f"{FIGURES}/fig_attrition.svg"))


def characteristics(facts: Facts) -> Reply:
    """Say who cases and controls are."""
    names = (
        "Persons",
        "Age at the index date, years, mean (SD)",
        "Female, n (%)",
        "Visits, mean (SD)",
    )
    lines = [f"{name}: {_characteristic(facts, name)}" for name in names]
    if not _characteristic(facts, "Persons"):
        return _NO_ONSET
    return Answer(" ".join(lines), (shown("cohort"), f"{FIGURES}/fig_cohort.svg"))


def code_lists(facts: Facts) -> Reply:
    """Say where all codes stand."""
    if not facts.cohorts:
        return _NO_ONSET
    lines = [
        f"{own['phenotype']} ({facts.code_numbers[name]} concepts and codes)"
        for name, own in facts.cohorts.items()
        if name in facts.code_numbers
    ]
    text = (
        f"Outcome: the phenotype files {joined(list(dict.fromkeys(lines)))} of workflow/phenotypes "
        "or of the configuration. Predictors: those codes of vocabulary.parquet that the training "
        "parts hold often enough."
    )
    files = [
        f"results/3_encode/{'/'.join(setting)}/vocabulary.parquet"
        for setting in facts.study.settings
    ]
    return Answer(text, (CONFIGURATION, *files))


def _disease(cohort: Section) -> str:
    return str(cohort["phenotype"]).rpartition("/")[2].removesuffix(".yaml").replace("_", " ")


def _onset(cohort: Section) -> str:
    text = (
        f"the first day of {cohort['qualifying_encounters']} visits with a code of the phenotype "
        f"{_disease(cohort)} within {cohort['qualifying_months']} months"
    )
    if "horizon_months" in cohort:
        text += f", within {cohort['horizon_months']} months of each 1 January"
    return text


def _phenotype_codes(task: Section) -> str:
    return "kept in" if task["phenotype_codes"] == "keep" else "dropped from"


def _criteria(cohort: Section) -> str:
    youngest, oldest = cohort["age"]
    text = f"age {youngest} to {oldest} at the index date"
    if cohort.get("min_visits"):
        text += (
            f", {named(cohort['min_visits'], 'visit')} or more in the "
            f"{cohort['eligibility_months']} months before it"
        )
    for key, words in (
        ("lookback_months", "observed for {} months before it"),
        ("washout_months", "observed for {} months before the first qualifying day"),
        ("last_contact_days", "controls seen from {} days before it on"),
        ("free_days_after_index", "controls free of it for {} days after"),
    ):
        if cohort.get(key):
            text += ", " + words.format(cohort[key])
    if cohort["kind"] == "landmark":
        text += ", no qualifying run before it"
    if cohort.get("persons"):
        text += f"; at most {cohort['persons']:,} persons, drawn at random"
    return f"{text}."


def _design(cohort: Section) -> str:
    if cohort["kind"] != "case_control":
        return "everybody at risk on each 1 January."
    matching = cohort["matching"]
    calipers = [words for key, words in _CALIPERS.items() if matching.get(key) is not None]
    alike = joined([*matching["exact"], *calipers]) or "nothing"
    return (
        f"nested case-control, up to {matching['ratio']} controls a case by "
        f"{matching['method']} matching on {alike}, so that risks are not those of the "
        "population; balance is in the figure."
    )


def _characteristic(facts: Facts, name: str) -> str:
    """A row of Table 1 in words, of every site and cohort."""
    table = facts.table("cohort")
    rows = table[table["characteristic"] == name]
    lines = [
        f"{row['site']}, {row['task'] or row['cohort']}: {row['cases']} (cases), "
        f"{row['controls']} (controls)"
        for row in rows.to_dict("records")
    ]
    return f"{'; '.join(lines)}." if lines else ""
