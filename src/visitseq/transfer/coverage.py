"""How much of what one hospital writes down the other's vocabulary has, both ways.

    by_code      share of the different codes
    by_event     share of the codes in visits, each as often as it stands
    by_patient   the share by event of each person, and the mean over persons who have codes

Of a model that came without records only the target's side is known by event and by patient.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from visitseq.encode.sequences import VisitLists, open_batch
from visitseq.transfer.joint_vocabulary import JointVocabulary

Marks = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

#: Why the source's side is unknown by event and by patient.
NO_RECORDS = "the source is a model that came without records"


def code_coverage(
    joint: JointVocabulary, with_ancestor: int, target: Integers, source: Integers | None
) -> dict[str, Any]:
    """Coverage by code and by event.

    Parameters
    ----------
    joint
        Codes or labels.
    with_ancestor
        How many of those that the source lacks have an ancestor that it has.
    target
        In how many of the target's visits each stands, by joint id, shape (codes,).
    source
        In how many of the source's visits each of the source's stands, shape (source,); None where
        there are no records.
    """
    counts = joint.counts
    known = np.arange(len(joint.names)) < joint.source
    by_event = {"target_in_source": share(target, known)}
    if source is not None:
        by_event["source_in_target"] = share(source, joint.in_target)
    return {
        "codes": {**counts, "with_ancestor": with_ancestor},
        "by_code": {
            "target_in_source": ratio(counts["shared"], counts["target"]),
            "source_in_target": ratio(counts["shared"], counts["source"]),
        },
        "by_event": with_reason(by_event),
    }


def patient_coverage(lists: VisitLists, known: Marks) -> float | None:
    """Mean over persons of the share of their codes that are ``known``; None without codes.

    Parameters
    ----------
    lists
        The visits of all rows; a person may have several.
    known
        Whether the other vocabulary has each code, by id, shape (codes,).
    """
    _, person = np.unique(lists.subject_id, return_inverse=True)
    ends = lists.code_offsets[lists.visit_offsets]
    before = np.concatenate([[0], np.cumsum(known[lists.codes])])
    held, codes = (
        np.bincount(person, np.diff(values)) for values in (before[ends], ends.astype(np.int64))
    )
    return float(np.mean(held[codes > 0] / codes[codes > 0])) if codes.any() else None


def with_reason(shares: dict[str, float | None]) -> dict[str, Any]:
    """Say why the source's side is unknown, where it is."""
    if "source_in_target" in shares:
        return shares
    return {**shares, "source_in_target": None, "reason": NO_RECORDS}


def share(counts: Integers, known: Marks) -> float | None:
    """Share of ``counts`` that is of what is ``known``, None where nothing is counted."""
    return ratio(int(counts[known].sum()), int(counts.sum()))


def ratio(some: int, everything: int) -> float | None:
    """Quotient of two numbers, None where there is nothing to divide by."""
    return some / everything if everything else None


def persons_in_both(
    visits: Path, source_visits: Path | None, *, same_persons: bool
) -> dict[str, Any]:
    """What is known of persons who are in both places.

    Parameters
    ----------
    visits, source_visits
        visits.arrow of the target and of the source; None of a model that came without records.
    same_persons
        Whether a person has the same id in both. Then a person's part is the same in both, too.
    """
    if not same_persons or source_visits is None:
        return {"relation": "assumed disjoint", "in_both": None}
    ids = (open_batch(path).column("subject_id").to_numpy() for path in (visits, source_visits))
    return {"relation": "ids shared (declared)", "in_both": len(np.intersect1d(*ids))}
