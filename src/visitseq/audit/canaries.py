"""Canaries: what this study's own stages make of data in which the answer is known.

Each canary takes the same subsample of matched sets, changes one thing, and has the visits encoded,
a small network trained and the test part scored as they are in the study (``pipeline.py``):

    labels_permuted   labels change places within each set, so that nothing is left to be learned;
                      who learns all the same has seen the labels of those who are tested
    index_day_code    each case has a code on the first day after its window, and with a gap on its
                      index day; nothing that is read may change by it
    planted_code      each case has a code within its window, each control another one; whoever does
                      not find it would not find a leak either: the control of the other canaries
    order             the visits in random order, in training and in scoring

A code is planted as a visit of its own (``planting.py``). What the canaries found becomes a verdict
in ``canary_verdicts.py``.
"""

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from visitseq.audit.canary_verdicts import (
    Counts,
    index_day_finding,
    no_order_finding,
    order_finding,
    permuted_finding,
    planted_finding,
    too_few_findings,
)
from visitseq.audit.findings import Finding, write_findings
from visitseq.audit.pipeline import NETWORKS, Pipeline
from visitseq.audit.planting import last_free_days, planted, window_ends, write_events
from visitseq.audit.sample import draw_sets, events_of, set_of
from visitseq.cohort.parts import training_parts
from visitseq.evaluate.estimate import Estimate
from visitseq.evaluate.metrics import estimates_and_draws
from visitseq.evaluate.paired import compare
from visitseq.evaluate.scored_rows import ScoredRows

log = logging.getLogger(__name__)

#: How many matched sets a job takes at most.
SETS = 200

#: How many permutations have to be learned before that is a finding.
PERMUTATIONS = 2

#: What of a network's section is another in the canaries, so that a planted code is learned from a
#: few hundred cases in seconds.
SMALL_NETWORK = {
    "embedding": 16,
    "hidden": 16,
    "heads": 1,
    "layers": 1,
    "dropout": 0.0,
    "visits": "in_order",
    "initialisation": "uniform",
    "precision": "float32",
    "optimiser": "adam",
    "learning_rate": 0.01,
    "schedule": "constant",
    "l2": 0.0,
    "batch": 32,
    "epochs": 8,
    "patience": 8,
}


def run_canaries(
    *,
    cohort: Path,
    phenotype: Path,
    events: Path,
    codes: Path,
    ancestors: Path,
    task: Mapping[str, Any],
    encoding: Mapping[str, Any],
    model: Mapping[str, Any],
    fold: int,
    parts: int,
    seed: int,
    draws: int,
    minimum_cell: int,
    findings: Path,
) -> None:
    """Write findings.json with an answer of each canary.

    Parameters
    ----------
    cohort, phenotype
        cohort.parquet of matched cases and controls, and its phenotype file.
    events, codes, ancestors
        events.parquet, codes.parquet and ancestors.parquet of the site.
    task, encoding, model
        Their sections of the configuration, filled. Of the encoding's vectors nothing is used; of a
        network's section ``SMALL_NETWORK`` replaces what it names.
    fold, parts, seed, draws
        The fold, the number of parts of the site, the study's seed and number of bootstrap draws.
    minimum_cell
        Smallest number of persons that may be shown.
    findings
        File findings.json.
    """
    rows = draw_sets(pq.read_table(cohort), SETS, seed)
    counts = _count(rows, fold, parts, minimum_cell)
    if counts.too_few(encoding["min_count"]):
        write_findings(too_few_findings(counts), findings)
        log.warning("too few cases for the canaries: %s", counts.in_words())
        return
    pipeline = Pipeline(task, encoding, phenotype, codes, ancestors, fold, parts, seed, draws)
    findings.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=findings.parent, prefix=".canaries_") as folder:
        own = events_of(rows, events)
        recorded = write_events([own], Path(folder) / "events.parquet")
        cage = Cage(pipeline, rows, own, recorded, reduced(model), counts, Path(folder))
        write_findings(cage.findings(), findings)


def reduced(model: Mapping[str, Any]) -> dict[str, Any]:
    """The section of a model as the canaries train it: small if it is a network, without search."""
    small = SMALL_NETWORK if model["kind"] in NETWORKS else {}
    return {**model, **{key: small[key] for key in small if key in model}, "search": {}}


def permute_labels(rows: pa.Table, seed: int) -> pa.Table:
    """Rows whose labels have changed places at random within each matched set."""
    key = np.random.default_rng(seed).random(len(rows))
    of_row = set_of(rows)
    by_set, shuffled = np.argsort(of_row, kind="stable"), np.lexsort([key, of_row])
    label = np.empty(len(rows), dtype=np.bool_)
    label[shuffled] = rows["label"].to_numpy()[by_set]
    place = rows.schema.get_field_index("label")
    return rows.set_column(place, rows.schema.field(place), pa.array(label))


@dataclass(frozen=True)
class Cage:
    """Where the canaries are kept: one subsample, and a small model.

    Attributes
    ----------
    pipeline
        Stages 3 to 5.
    rows, events
        The cohort's rows of the subsample, and the events of their persons.
    recorded
        File of ``events`` as they are.
    model
        The section of the model that is trained.
    counts
        How many rows and cases there are.
    folder
        Where everything goes that the canaries write.
    """

    pipeline: Pipeline
    rows: pa.Table
    events: pa.Table
    recorded: Path
    model: Mapping[str, Any]
    counts: Counts
    folder: Path

    def findings(self) -> list[Finding]:
        """Run all canaries."""
        base = self.pipeline.encode(self.rows, self.recorded, self.folder / "base")
        unplanted = self.pipeline.score(base, self.model, "model")
        return [
            self.permuted(),
            self.index_day(base),
            self.planted(unplanted),
            self.order(base, unplanted),
        ]

    def permuted(self) -> Finding:
        """Permute the labels; a second time if the first was learned."""
        found: list[Estimate] = []
        while len(found) < PERMUTATIONS and all(estimate.low > 0.5 for estimate in found):
            number = len(found)
            rows = permute_labels(self.rows, self.pipeline.seed + number)
            encoded = self.pipeline.encode(rows, self.recorded, self.folder / f"permuted{number}")
            scored = self.pipeline.score(encoded, self.model, "model")
            found.append(self._estimate(scored, "concordance_within_sets"))
        return permuted_finding(found, self.counts, self.model)

    def index_day(self, base: Path) -> Finding:
        """Plant a code after the window of each case."""
        code = self._code("after_the_window")
        cases = self.rows.filter(self.rows["label"])
        index = cases["index_time"].to_numpy().astype("datetime64[D]")
        days = {tuple(days.tolist()): days for days in (self._ends(cases), index)}
        persons = cases["subject_id"].to_numpy()
        added = [planted(persons, own, code) for own in days.values()]
        folder = self.folder / "index_day"
        encoded = self.pipeline.encode(
            self.rows, write_events([self.events, *added], folder / "events.parquet"), folder
        )
        names = ("visits.arrow", "vocabulary.parquet")
        same = all((base / name).read_bytes() == (encoded / name).read_bytes() for name in names)
        # The same files, of which all that follows is made: nothing has to be trained to know it.
        auroc = None if same else self._auroc(self.pipeline.score(encoded, self.model, "model"))
        known = code in pq.read_table(encoded / "vocabulary.parquet")["code"].to_pylist()
        return index_day_finding(known, auroc, self.counts)

    def planted(self, unplanted: ScoredRows) -> Finding:
        """Plant one code within the windows of the cases, and another one in those of controls."""
        free = last_free_days(self.rows, self.recorded, self.pipeline.task, self.pipeline.encoding)
        label, persons = (self.rows[name].to_numpy() for name in ("label", "subject_id"))
        added = [
            planted(persons[chosen], free[chosen], self._code(f"planted_{name}"))
            for name, chosen in (("case", label), ("control", ~label))
        ]
        folder = self.folder / "planted"
        recorded = write_events([self.events, *added], folder / "events.parquet")
        encoded = self.pipeline.encode(self.rows, recorded, folder)
        scored = self.pipeline.score(encoded, self.model, "model")
        full = int(np.isnat(free[label]).sum())
        return planted_finding(self._auroc(scored), self._auroc(unplanted), full, self.counts)

    def order(self, base: Path, in_order: ScoredRows) -> Finding:
        """Shuffle the visits of each row."""
        if "visits" not in self.model:
            return no_order_finding(self.model)
        shuffled = self.pipeline.score(base, {**self.model, "visits": "shuffled"}, "shuffled")
        (first, first_draws), (second, second_draws) = map(self._drawn, (in_order, shuffled))
        groups = len(in_order.groups.ids)
        difference = compare(first, second, first_draws, second_draws, groups).difference
        return order_finding(difference, first, second, self.counts)

    def _code(self, name: str) -> str:
        """An invented code of the encoding's first domain."""
        return f"{self.pipeline.encoding['domains'][0]}/{name}"

    def _ends(self, rows: pa.Table) -> Any:
        return window_ends(rows, self.pipeline.task)

    def _auroc(self, scored: ScoredRows) -> Estimate:
        return self._estimate(scored, "auroc")

    def _estimate(self, scored: ScoredRows, metric: str) -> Estimate:
        return self._drawn(scored, metric)[0]

    def _drawn(self, scored: ScoredRows, metric: str = "auroc") -> tuple[Estimate, Any]:
        """A metric of the test part with its interval, and its bootstrap draws."""
        pipeline = self.pipeline
        settings = (pipeline.draws, pipeline.seed, pipeline.fold, (metric,))
        estimates, draws = estimates_and_draws(scored, *settings)
        return estimates[metric], draws.get(metric, np.empty(0))


def _count(rows: pa.Table, fold: int, parts: int, minimum_cell: int) -> Counts:
    part, label = rows["part"].to_numpy(), rows["label"].to_numpy()
    tested, trained = part == fold, np.isin(part, training_parts(fold, parts))
    return Counts(
        sets=len(np.unique(set_of(rows))),
        training_cases=int(label[trained].sum()),
        cases=int(label[tested].sum()),
        rows=int(tested.sum()),
        minimum_cell=minimum_cell,
    )
