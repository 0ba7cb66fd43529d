"""What the study holds, and where the results of each stage stand."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

Section = Mapping[str, Any]


class Setting(NamedTuple):
    """One panel of a figure of models: who, what, and how the visits were encoded."""

    site: str
    task: str
    encoding: str


class Direction(NamedTuple):
    """From where to where models are moved, for what, and how the visits were encoded."""

    source: str
    target: str
    task: str
    encoding: str

    @property
    def arrow(self) -> str:
        """The two sites in words."""
        return f"{self.source} → {self.target}"

    @property
    def at_target(self) -> Setting:
        """The setting of those who are predicted."""
        return Setting(self.target, self.task, self.encoding)


class Forecast(NamedTuple):
    """A task that forecasts visits: in which cohort, and how many."""

    cohort: str
    visits_ahead: int


@dataclass(frozen=True)
class Study:
    """The names that the study runs, in its order, and the folder of its results.

    Attributes
    ----------
    synthetic
        Whether the records of each site are synthetic; its keys are the sites.
    simulated
        The sites whose truth is known, so that they have an oracle.
    onsets
        The section of the configuration of each task with an outcome; its keys are these tasks.
    matched
        The cohorts of cases and controls; the others with an outcome have everybody at risk.
    encoded
        Each such task and encoding that are run together.
    scored
        Each such task, encoding and model that are run together.
    as_used
        Each task of cases and controls, landmark task, encoding and model whose scores on the
        landmark rows are measured.
    landmarks
        The cohort of each landmark task among them.
    replicates
        Models that differ in their seed alone, by the first of them; its keys are in the order of
        ``models``.
    forecasts
        Cohort and number of visits ahead of each task that forecasts visits.
    forecast_models
        Each such task, encoding and model that go together.
    next_visits
        The section of the configuration of each task that predicts the next visit.
    next_visit_models
        Each such task, encoding and model that go together.
    reference
        The model that the others are compared with; None compares nothing.
    frequency
        The models that know nothing but the number of visits.
    forward
        The models that are recurrent and read forwards alone: how far back they see is measured.
    explained
        The models whose scores are explained.
    model_sections, encoding_sections
        The sections of the configuration of ``models`` and ``encodings``.
    choi_compat
        Each task of kind next_visit, encoding and model that is also scored as Doctor AI's released
        code does it.
    transferred
        Each direction and model that are run together.
    in_time
        Each task and encoding of which models were trained on earlier years, to be tested later.
    training_sizes
        Numbers of patients on which the time of training was asked for.
    minimum_cell
        Smallest number of persons that a table or figure may show.
    """

    synthetic: dict[str, bool]
    simulated: frozenset[str]
    onsets: dict[str, Section]
    matched: frozenset[str]
    encoded: tuple[tuple[str, str], ...]
    scored: tuple[tuple[str, str, str], ...]
    as_used: tuple[tuple[str, str, str, str], ...]
    landmarks: dict[str, str]
    replicates: dict[str, tuple[str, ...]]
    forecasts: dict[str, Forecast]
    forecast_models: tuple[tuple[str, str, str], ...]
    next_visits: dict[str, Section]
    next_visit_models: tuple[tuple[str, str, str], ...]
    encodings: tuple[str, ...]
    models: tuple[str, ...]
    reference: str | None
    frequency: frozenset[str]
    forward: tuple[str, ...]
    explained: tuple[str, ...]
    model_sections: dict[str, Section]
    encoding_sections: dict[str, Section]
    choi_compat: tuple[tuple[str, str, str], ...]
    transferred: tuple[tuple[Direction, str], ...]
    in_time: tuple[tuple[str, str], ...]
    training_sizes: tuple[int, ...]
    folds: tuple[int, ...]
    parts: int
    seed: int
    draws: int
    minimum_cell: int
    results: Path

    @classmethod
    def from_mapping(cls, study: Mapping[str, Any], results: Path) -> "Study":
        """Take the study's part of the configuration."""
        return cls(
            synthetic={name: site["synthetic"] for name, site in study["sites"].items()},
            simulated=frozenset(n for n, site in study["sites"].items() if site["simulated"]),
            onsets={name: t for name, t in study["tasks"].items() if t["kind"] == "onset"},
            matched=frozenset(study["matched"]),
            encoded=tuple((task, encoding) for task, encoding in study["encoded"]),
            scored=tuple((t, e, m) for t, e, m in study["scored"]),
            as_used=tuple((t, own, e, m) for t, own, e, m in study["as_used"]),
            landmarks=dict(study["landmarks"]),
            replicates={name: tuple(same) for name, same in study["replicates"].items()},
            forecasts={
                name: Forecast(task["cohort"], task["visits_ahead"])
                for name, task in study["tasks"].items()
                if task["kind"] == "forecast"
            },
            forecast_models=tuple((t, e, m) for t, e, m in study["forecasts"]),
            next_visits={n: t for n, t in study["tasks"].items() if t["kind"] == "next_visit"},
            next_visit_models=tuple((t, e, m) for t, e, m in study["next_visits"]),
            encodings=tuple(study["encodings"]),
            models=tuple(study["models"]),
            reference=study["reference"],
            frequency=frozenset(study["frequency"]),
            forward=tuple(study["forward"]),
            explained=tuple(study["explained"]),
            model_sections=dict(study["model_sections"]),
            encoding_sections=dict(study["encoding_sections"]),
            choi_compat=tuple((t, e, m) for t, e, m in study["choi_compat"]),
            transferred=tuple((Direction(*own), model) for *own, model in study["transfer"]),
            in_time=tuple((task, encoding) for task, encoding in study["in_time"]),
            training_sizes=tuple(study["training_sizes"]),
            folds=tuple(study["folds"]),
            parts=study["parts"],
            seed=study["seed"],
            draws=study["draws"],
            minimum_cell=study["minimum_cell"],
            results=results,
        )

    @property
    def outcomes(self) -> dict[str, str]:
        """The cohort of each task with an outcome."""
        return {name: task["cohort"] for name, task in self.onsets.items()}

    def cohort_of(self, task: str) -> str:
        """Cohort of a task with an outcome, or of a landmark task that is scored and no more."""
        return self.outcomes[task] if task in self.onsets else self.landmarks[task]

    @property
    def task_kinds(self) -> dict[str, str]:
        """The kind of each task whose models are moved."""
        return dict.fromkeys(self.onsets, "onset") | dict.fromkeys(self.next_visits, "next_visit")

    @property
    def directions(self) -> list[Direction]:
        """Every direction in which a model is moved, in the study's order."""
        return list(dict.fromkeys(direction for direction, _ in self.transferred))

    @property
    def settings(self) -> list[Setting]:
        """Every site, task with an outcome and encoding that are run, in the study's order."""
        return [Setting(site, *pair) for site in self.synthetic for pair in self.encoded]

    def models_of(self, setting: Setting) -> list[str]:
        """The models that are scored in a setting, in the study's order."""
        return [m for t, e, m in self.scored if (t, e) == (setting.task, setting.encoding)]

    def first_of(self, model: str) -> str:
        """Give the name that a model and its replicates are shown by."""
        return next((first for first, same in self.replicates.items() if model in same), model)

    @property
    def network(self) -> str | None:
        """The recurrent network that is drawn: the reference, or the first if that is none."""
        kinds = {name: section["kind"] for name, section in self.model_sections.items()}
        names = [name for name in (self.reference, *self.models) if name is not None]
        return next((name for name in names if kinds[name] == "recurrent"), None)

    def timed(self, setting: Setting) -> list[str]:
        """The models of a setting whose seconds are taken: of replicates the first."""
        return [model for model in self.models_of(setting) if model in self.replicates]

    def has_oracle(self, setting: Setting) -> bool:
        """Whether the simulator's truth scores the rows of a setting."""
        return setting.site in self.simulated and self.outcomes[setting.task] in self.matched

    @property
    def explanations(self) -> list[tuple[Setting, str]]:
        """Every setting and model that is explained; none where no fold was run."""
        pairs = [(setting, m) for setting in self.settings for m in self.models_of(setting)]
        return [(s, m) for s, m in pairs if m in self.explained] if self.folds else []

    @property
    def matched_cohorts(self) -> list[tuple[str, str]]:
        """Every site and cohort of cases and controls, in the study's order."""
        return [(site, own) for site, own in self.outcome_cohorts if own in self.matched]

    @property
    def outcome_cohorts(self) -> list[tuple[str, str]]:
        """Every site and cohort with an outcome, in the study's order."""
        cohorts = dict.fromkeys(self.outcomes.values())
        return [(site, cohort) for site in self.synthetic for cohort in cohorts]

    @property
    def site_cohorts(self) -> list[tuple[str, str]]:
        """Every site and cohort, those with an outcome first, in the study's order."""
        forecasts = (forecast.cohort for forecast in self.forecasts.values())
        next_visits = (task["cohort"] for task in self.next_visits.values())
        others = dict.fromkeys([*forecasts, *next_visits])
        everybody = [(site, cohort) for site in self.synthetic for cohort in others]
        return self.outcome_cohorts + everybody

    @property
    def next_visit_settings(self) -> list[Setting]:
        """Every site, task that predicts the next visit and encoding that are run."""
        pairs = dict.fromkeys((task, encoding) for task, encoding, _ in self.next_visit_models)
        return [Setting(site, *pair) for site in self.synthetic for pair in pairs]

    def next_visit_networks(self, setting: Setting) -> list[str]:
        """The recurrent models that predict the next visit in a setting, in the study's order."""
        place = (setting.task, setting.encoding)
        names = [m for t, e, m in self.next_visit_models if (t, e) == place]
        return [name for name in names if self.model_sections[name]["kind"] == "recurrent"]

    def records(self, site: str) -> str:
        """Say whether the site's records are synthetic or real; a model brings none."""
        if site not in self.synthetic:
            return "carried model"
        return "synthetic" if self.synthetic[site] else "real"

    def persons(self, site: str) -> Path:
        """File persons.parquet of a site."""
        return self.results / "1_ingest" / site / "persons.parquet"

    def cohort_folder(self, site: str, cohort: str) -> Path:
        """Folder of a site's cohort."""
        return self.results / "2_cohort" / site / cohort

    def visits(self, setting: Setting) -> Path:
        """File visits.arrow of a setting."""
        return self.results.joinpath("3_encode", *setting, "visits.arrow")

    def oracle(self, setting: Setting) -> Path:
        """File oracle.parquet of a setting's task."""
        return self.results / "5_evaluate" / setting.site / setting.task / "oracle.parquet"

    def vocabulary(self, setting: Setting) -> Path:
        """File vocabulary.parquet of a setting."""
        return self.results.joinpath("3_encode", *setting, "vocabulary.parquet")

    def labels(self, setting: Setting) -> Path:
        """File labels.parquet of a setting that asks for visits."""
        return self.results.joinpath("3_encode", *setting, "labels.parquet")

    def trained(self, setting: Setting, model: str, fold: int) -> Path:
        """File model.json of a model in one fold."""
        return self.results.joinpath("4_train", *setting, model, f"fold{fold}", "model.json")

    def repetition(self, setting: Setting, model: str) -> Path:
        """File repetition.csv of a network that predicts the next visit, of the first fold."""
        return self.evaluation_folder(setting, model, self.folds[0]) / "repetition.csv"

    def giveaways(self, site: str, task: str) -> Path:
        """File giveaways.csv of a site and task with an outcome."""
        return self.results / "5_evaluate" / site / task / "giveaways.csv"

    def alignment(self, setting: Setting) -> Path:
        """File alignment.csv of a setting: the years of its cases and controls."""
        return self.results.joinpath("audit", "check_windows", *setting, "alignment.csv")

    def in_time_results(self, setting: Setting) -> Path:
        """File in_time.json of a setting whose models were tested in time."""
        return self.results.joinpath("audit", "test_in_time", *setting, "in_time.json")

    def evaluation_folder(self, setting: Setting, model: str, fold: int) -> Path:
        """Folder of a model's predictions and metrics in one fold."""
        return self.results.joinpath("5_evaluate", *setting, model, f"fold{fold}")

    def scoring_times(self, setting: Setting, model: str) -> Path:
        """File of a model's seconds to score a patient, of the study's first fold."""
        place = self.results.joinpath("benchmarks", "time_scoring", *setting, model)
        return place / f"fold{self.folds[0]}.csv"

    def training_times(self, setting: Setting, model: str) -> Path:
        """File of a model's seconds of training by the number of patients."""
        return self.results.joinpath("benchmarks", "time_training", *setting, f"{model}.csv")

    def coverage(self, direction: Direction) -> Path:
        """File coverage.json of a direction."""
        source, target, task, encoding = direction
        place = f"{source}_to_{target}"
        return self.results.joinpath("6_transfer", place, task, encoding, "coverage.json")

    def transfer_folder(self, direction: Direction, model: str, fold: int) -> Path:
        """Folder of what a model is worth in a direction, in one fold."""
        return self.coverage(direction).parent.joinpath(model, f"fold{fold}")
