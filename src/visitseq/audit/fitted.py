"""Did what was fitted see its training parts alone? By the digests of the persons that it carries.

Of every model.json the persons of the training and of the validation rows, and what it knows of the
vocabulary: the codes that stand in ``min_count`` visits of the training parts. Of a pre-trained
encoder the training rows with more visits than it decodes; of skip-gram vectors the training parts
of the site, or of the cohort.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from visitseq.audit.findings import Finding
from visitseq.audit.verdicts import of_count
from visitseq.cohort.event_blocks import read_subjects
from visitseq.cohort.parts import assign_parts, digest_of_persons, training_parts, validation_part
from visitseq.encode.sequences import VisitLists, gather_lists
from visitseq.encode.vectors import persons_of_vectors
from visitseq.train.model_folder import read_card

_LEAK = "It was fitted to persons outside its parts: train it anew, and do not use it."


@dataclass(frozen=True, eq=False)
class Encoded:
    """The visits of a site's task in one encoding.

    Attributes
    ----------
    visits
        The rows of visits.arrow.
    events
        events.parquet of the site.
    seed, parts
        They decide the part of each person.
    """

    visits: VisitLists
    events: Path
    seed: int
    parts: int

    @cached_property
    def own_parts(self) -> npt.NDArray[np.int32]:
        """Part of each row's person, computed anew."""
        return assign_parts(self.visits.subject_id, self.seed, self.parts)

    def rows(self, parts: Sequence[int]) -> npt.NDArray[np.intp]:
        """Rows of ``parts``."""
        return np.flatnonzero(np.isin(self.own_parts, parts))

    def digest(self, rows: npt.NDArray[np.intp]) -> str:
        """Digest of the persons of ``rows``."""
        return digest_of_persons(self.visits.subject_id[rows])

    def digest_of_site(self, parts: Sequence[int]) -> str:
        """Digest of the site's persons with an event who are in ``parts``."""
        subjects = read_subjects(self.events)
        own = assign_parts(subjects, self.seed, self.parts)
        return digest_of_persons(subjects[np.isin(own, parts)])

    def known(self, rows: npt.NDArray[np.intp], least: int) -> list[int]:
        """Ids of the codes that stand in at least ``least`` visits of ``rows``."""
        visits, _ = gather_lists(self.visits.visit_offsets, rows)
        entries, _ = gather_lists(self.visits.code_offsets, visits)
        counts = np.bincount(self.visits.codes[entries])
        known: list[int] = np.flatnonzero(counts >= max(least, 1)).tolist()
        return known


class _Checked(NamedTuple):
    """Something fitted, as what it was checked, and whether it is as its parts say."""

    question: str
    holds: bool


_QUESTIONS = {
    "training_persons": "models were trained on other persons than those of their training parts",
    "validation_persons": "models were validated on other persons than those of their part",
    "known_codes": "models know other codes than their training parts tell",
    "pretraining_persons": "encoders were pre-trained on other persons than those of their "
    "training parts",
    "vectors_persons": "files of vectors were learned from other persons than those of their "
    "training parts",
}


def fitted_findings(
    encoded: Mapping[tuple[str, str, str], Encoded],
    models: Sequence[Sequence[Any]],
    results: Path,
) -> list[Finding]:
    """Findings on all models of a study.

    Parameters
    ----------
    encoded
        By site, task and encoding.
    models
        Site, task, encoding, model and fold of each.
    results
        Folder of the results of all stages.
    """
    checked: list[_Checked] = []
    declared = {"split: paper": 0, "paper_mode": 0}
    vectors: dict[Path, tuple[Encoded, dict[str, Any]]] = {}
    for site, task, encoding, model, fold in models:
        place = (site, task, encoding)
        card = read_card(results.joinpath("4_train", *place, model, f"fold{fold}"))
        checked += _of_model(card, encoded[place])
        declared["split: paper"] += _is_paper(card)
        if card["encoding"]["vectors"] != "none":
            folder = results.joinpath("3_encode", *place, f"fold{fold}")
            vectors[folder / "vectors.safetensors"] = encoded[place], card
    for path, (own, card) in vectors.items():
        if card["encoding"]["paper_mode"]:
            declared["paper_mode"] += 1
        else:
            checked.append(_of_vectors(path, own, card))
    asked = [name for name in _QUESTIONS if any(one.question == name for one in checked)]
    return [*(_finding(name, checked) for name in asked), *_declared(declared)]


def _is_paper(card: Mapping[str, Any]) -> bool:
    """Whether a model of the next visit was trained on the validation part too, as it says."""
    return bool(card.get("task", {}).get("split", "parts") == "paper")


def _of_model(card: Mapping[str, Any], own: Encoded) -> Iterator[_Checked]:
    train_on, validate_on = (
        training_parts(card["fold"], own.parts),
        [validation_part(card["fold"], own.parts)],
    )
    if _is_paper(card):
        train_on, validate_on = [*train_on, *validate_on], []
    training, validation = own.rows(train_on), own.rows(validate_on)
    yield _Checked("training_persons", card["persons"]["training"] == own.digest(training))
    yield _Checked("validation_persons", card["persons"]["validation"] == own.digest(validation))
    known = own.known(training, card["encoding"]["min_count"])
    yield _Checked("known_codes", card["known"] == known)
    if "pretraining" in card:
        ahead = card["pretraining"]["visits_ahead"]
        read = training[own.visits.lengths[training] > ahead]
        digest = card["pretraining"]["persons_digest"]
        yield _Checked("pretraining_persons", digest == own.digest(read))


def _of_vectors(path: Path, own: Encoded, card: Mapping[str, Any]) -> _Checked:
    parts = training_parts(card["fold"], own.parts)
    of_site = card["encoding"]["corpus"] == "site"
    expected = own.digest_of_site(parts) if of_site else own.digest(own.rows(parts))
    return _Checked("vectors_persons", persons_of_vectors(path) == expected)


def _finding(question: str, checked: Sequence[_Checked]) -> Finding:
    own = [one.holds for one in checked if one.question == question]
    wrong = len(own) - sum(own)
    return of_count(
        question,
        wrong,
        f"{wrong:,} of {len(own):,} {_QUESTIONS[question]}.",
        _LEAK,
        numbers={"fitted": len(own), "wrong": wrong},
    )


def _declared(declared: Mapping[str, int]) -> Iterator[Finding]:
    """What the configuration asks for as a paper did it, and a reader has to know of."""
    if declared["split: paper"]:
        yield Finding(
            "declared_split",
            "warn",
            f"{declared['split: paper']:,} models of the next visit were trained on the validation "
            "part too, as split: paper asks: nothing but the epochs' fixed number chose them.",
            "Take split: parts for results of your own.",
            {"models": declared["split: paper"]},
        )
    if declared["paper_mode"]:
        yield Finding(
            "declared_vectors",
            "warn",
            f"{declared['paper_mode']:,} files of vectors were learned from the records of the "
            "validation and test parts too, as paper_mode asks: a leak, without any label.",
            "Take paper_mode: false for results of your own.",
            {"files": declared["paper_mode"]},
        )
