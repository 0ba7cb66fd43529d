"""How the arms of a model of the next visit learn.

All arms rank the same labels: those that the target's whole training part holds, however few of its
persons an arm is given. What the source's model knows of them it brings along (next_visit_graft.py)
and what the target never asks for is left behind.

From scratch a network is trained, and labels are counted, as at home. Any other arm may stay as it
came, if no epoch has a smaller validation loss; with the last layer alone both heads learn and the
rest is frozen. Pre-trained vectors that a model reads without training them are the source's, so
that a code without an ancestor there stays unknown.

Where the task has the split of the paper the validation part is among the training rows, the last
epoch (the 20th at most) is kept, and the curve has no validation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from visitseq.cohort.parts import training_parts, validation_part
from visitseq.encode.histories import Histories
from visitseq.encode.sequences import code_positions
from visitseq.evaluate.bootstrap import Groups, resampling_groups
from visitseq.evaluate.next_visit import predictions_table
from visitseq.models.forecast_batches import Trajectories
from visitseq.models.next_visit import NextVisitNetwork, network_section
from visitseq.train.forecast_data import ForecastData, trajectories_of
from visitseq.train.forecasting import label_counts
from visitseq.train.next_visit import (
    Begin,
    NextVisitModel,
    begin_fresh,
    fit_next_visit,
    trained_on,
)
from visitseq.train.next_visits import NextVisits
from visitseq.train.seeds import seed_sequence
from visitseq.train.vectors import with_vectors
from visitseq.transfer.arm_results import ArmResult
from visitseq.transfer.arms import Arm
from visitseq.transfer.drawn_rows import DrawnRows, draw_rows
from visitseq.transfer.graft import freeze_but
from visitseq.transfer.known import codes_of_arm, frequent_codes, nearest_ancestors, origins
from visitseq.transfer.next_visit_curve import AskedRows, NextVisitCurve
from visitseq.transfer.next_visit_graft import Origins, begin_as_source

Ids = npt.NDArray[np.int32]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class AskedTarget:
    """The target's data of one fold, with the ids of the pair's vocabulary.

    Attributes
    ----------
    histories
        All rows of the cohort, mapped.
    labels
        Ids of the labels that are ranked, ascending.
    ancestors
        Table of the pair's ancestors.parquet.
    vectors
        File vectors.safetensors of the fold, or None.
    split, encoding
        Of the task's section, and the encoding's section.
    fold, parts, seed
        The fold, the number of parts of a site, and the run's seed.
    """

    histories: Histories
    labels: Ids
    ancestors: pa.Table
    vectors: Path | None
    split: str
    encoding: Mapping[str, Any]
    fold: int
    parts: int
    seed: int

    @cached_property
    def training(self) -> Rows:
        """Rows that may be learned from, ascending."""
        parts = training_parts(self.fold, self.parts)
        return self.histories.rows_of_parts(
            [*parts, validation_part(self.fold, self.parts)] if self.split == "paper" else parts
        )

    @cached_property
    def validation(self) -> Rows:
        """Rows to choose by, ascending."""
        taken = np.concatenate([self.training, self.test])
        return np.setdiff1d(np.arange(len(self.histories)), taken)

    @cached_property
    def test(self) -> Rows:
        """Rows of the test part, ascending; the same for all arms."""
        return self.histories.rows_of_parts([self.fold])

    @cached_property
    def groups(self) -> Groups:
        """Person of each row."""
        persons = self.histories.subject_id
        columns = (pa.nulls(len(persons), pa.int64()), pa.array(persons))
        return resampling_groups(*(pa.chunked_array([column]) for column in columns))

    def draw(self, arm: Arm) -> DrawnRows:
        """Draw the rows of an arm."""
        draw = partial(draw_rows, groups=self.groups, arm=arm, seed=self.seed)
        return DrawnRows(draw(self.training), draw(self.validation))

    def count(self, drawn: DrawnRows) -> dict[str, int]:
        """Count what is learned from: persons, and their visits that have labels."""
        _, visits = label_counts(self.trajectories(np.empty(0, np.int32)), drawn.training)
        persons = np.unique(self.histories.subject_id[drawn.training])
        return {"persons": len(persons), "labelled_visits": visits}

    def trajectories(self, known: Ids) -> Trajectories:
        """Lay the ranked labels beside the visits, of which ``known`` codes are read."""
        return trajectories_of(self.histories, known, self.labels, ahead=1)


class NextVisitArms:
    """Trains the arms of one model.

    Parameters
    ----------
    target
        The target's data.
    source
        The source's model.
    card
        Contents of its model.json.
    """

    def __init__(
        self, target: AskedTarget, source: NextVisitModel, card: Mapping[str, Any]
    ) -> None:
        self.target, self.source = target, source
        self.section = with_vectors(network_section(card["model"]), target.encoding)
        self.test = AskedRows.of(target.histories, target.test)
        self.nearest_codes, self.nearest_labels = (
            nearest_ancestors(target.ancestors, of, known)
            for of, known in (("code", source.known), ("label", source.known_labels))
        )

    def __call__(self, arm: Arm, drawn: DrawnRows) -> ArmResult:
        """Train an arm on its drawn rows."""
        data = self._data(arm, drawn)
        model = self._counted(data)
        if self.source.network is None:
            return ArmResult(self._predict(model))
        if arm.strategy == "last_layer":
            network, chosen = self._fit(arm, data, None)
            return ArmResult(self._predict(replace(model, network=network)), chosen)
        histories = self.target.histories
        curve = NextVisitCurve(
            histories, AskedRows.of(histories, drawn.validation), self.test, model
        )
        network, chosen = self._fit(arm, data, curve)
        return ArmResult(
            self._predict(replace(model, network=network)),
            chosen,
            curve=curve.points,
            peak=curve.peak,
            peak_epoch=curve.peak_epoch,
        )

    def _data(self, arm: Arm, drawn: DrawnRows) -> ForecastData:
        """What an arm learns from, in the form that training at home has it."""
        return ForecastData(
            fold=self.target.fold,
            parts=self.target.parts,
            trajectories=self.target.trajectories(self._known(arm, drawn)),
            **drawn._asdict(),
        )

    def _known(self, arm: Arm, drawn: DrawnRows) -> Ids:
        """Ids of the codes that an arm knows, ascending."""
        least = self.target.encoding["min_count"]
        frequent = frequent_codes(self.target.histories, drawn.training, least)
        if arm.strategy != "scratch" and self._reads_frozen_vectors:
            frequent = np.intersect1d(frequent, self.nearest_codes[0])
        return codes_of_arm(arm.strategy, frequent, self.source.known, self.nearest_codes[0])

    @property
    def _reads_frozen_vectors(self) -> bool:
        network = self.source.network
        return network is not None and not network.reader.embed.weight.requires_grad

    def _fit(
        self, arm: Arm, data: ForecastData, curve: NextVisitCurve | None
    ) -> tuple[NextVisitNetwork, int]:
        """Train a network; and the epoch that was kept."""
        known, scratch = data.trajectories.known, arm.strategy == "scratch"
        begin: Begin = partial(begin_fresh, vectors=self.target.vectors, known=known)
        network, _, chosen = fit_next_visit(
            data,
            self.section,
            self.target.split,
            begin=begin if scratch else partial(self._begin, arm),
            seeds=seed_sequence(self.target.seed, data.fold, self.section, arm.entropy),
            trained=not scratch,
            watch=curve,
            shown=False,
        )
        return network.eval(), chosen

    def _begin(self, arm: Arm, network: NextVisitNetwork, objective: NextVisits) -> None:
        """Begin as the source's network."""
        known, labels = objective.data.known, self.target.labels
        of_labels = origins(labels, self.source.known_labels, self.nearest_labels)
        begin_as_source(
            network,
            objective,
            source=self.source,
            origins=Origins(
                codes=origins(known, self.source.known, self.nearest_codes),
                labels=of_labels,
                same=code_positions(labels, self.source.known_labels).astype(np.intp),
            ),
        )
        if arm.strategy == "last_layer":
            freeze_but(network, [network.head, network.time])

    def _counted(self, data: ForecastData) -> NextVisitModel:
        """The model of an arm, but for the network."""
        counts, _ = label_counts(data.trajectories, data.training)
        return replace(
            self.source,
            known=data.trajectories.known,
            known_labels=self.target.labels,
            label_visits=counts[: len(self.target.labels)].astype(np.int64),
            trained_on=trained_on(self.target.split),
            validated=self.target.split == "parts",
            network=None,
        )

    def _predict(self, model: NextVisitModel) -> pa.Table:
        return predictions_table(self.target.histories, self.target.test, model)
