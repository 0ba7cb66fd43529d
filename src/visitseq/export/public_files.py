"""What model.json and metrics.json say where a model leaves: what is named here, and nothing else.

Left behind are what a search tried, how an encoder was pre-trained but for its settings (a digest
of the persons' ids among it), what needs a simulated hospital's truth, and small numbers. The
threshold is the score of one patient of the validation part: it leaves rounded. Measures of few
cases, or few controls, stay behind: even rounded, a share of few says of how many. Where another
number is held back, shares that could tell it if they were exact leave rounded.
"""

from collections.abc import Mapping
from typing import Any

from visitseq.evaluate import metrics, next_visit_metrics
from visitseq.export.small_counts import suppress_counts

#: What scoring reads of model.json, and what says how the model came about.
_CARD = (
    *("kind", "model", "encoding", "task", "fold", "parts", "seed", "early_stopping", "window"),
    *("trained_on", "codes", "label_visits", "left_out"),
)
_PRETRAINING = ("epochs", "visits_ahead", "loss")

#: Metrics with their intervals.
MEASURES = (*metrics.METRICS, "auroc_delong", *next_visit_metrics.METRICS)
_COUNTS = ("n", "cases", "empty", "visits", "labelled_visits", "censored")
_SHARES = ("unknown_codes", "unknown_labels")


def public_card(card: Mapping[str, Any], minimum: int) -> dict[str, Any]:
    """Contents of model.json, with ids of codes and labels that count from 0.

    Parameters
    ----------
    card
        That of the model without rare codes (``reduce_model``).
    minimum
        Smallest number of persons that may leave.
    """
    content = {key: card[key] for key in _CARD if key in card}
    content["model"] = {**card["model"], **({"search": {}} if "search" in card["model"] else {})}
    for part in ("training", "validation"):
        if part in card:
            content[part] = suppress_counts(card[part], "rows", ("cases",), minimum)
    if "pretraining" in card:
        content["pretraining"] = {key: card["pretraining"][key] for key in _PRETRAINING}
    for ids in ("known", "known_labels"):
        if ids in card:
            content[ids] = list(range(len(card[ids])))
    return content


def public_metrics(content: Mapping[str, Any], minimum: int) -> dict[str, Any]:
    """Contents of metrics.json, without small numbers."""
    names = (*MEASURES, "threshold", *_COUNTS, *_SHARES, "platt", "trained_on", "suppressed")
    own = {key: content[key] for key in names if key in content}
    if "threshold" in own:
        own["threshold"] = {**own["threshold"], "value": float(f"{own['threshold']['value']:.3g}")}
    own = suppress_counts(own, "n", ("cases", "empty"), minimum)
    if "censored" in own:  # as many as there are persons
        own["censored"] = own["n"]
    if "visits" in own:
        of_visits = suppress_counts(own, "visits", ("labelled_visits",), minimum)
        suppressed = {**own.get("suppressed", {}), **of_visits.get("suppressed", {})}
        own = {**of_visits, **({"suppressed": suppressed} if suppressed else {})}
    held = own.get("suppressed", {})
    if held:
        own |= {name: _rounded(own[name]) for name in (*MEASURES, *_SHARES) if name in own}
    if "n" in held or "cases" in held:
        own |= {name: _withheld(minimum) for name in MEASURES if name in own}
    if "n" in held:
        own |= {name: None for name in _SHARES if name in own}
    return own


def _withheld(minimum: int) -> dict[str, Any]:
    """A metric that does not leave."""
    reason = f"fewer than {minimum} cases or controls (or persons) in the test part"
    return {"value": None, "low": None, "high": None, "reason": reason}


def _rounded(measure: Any) -> Any:
    """A share, or a metric with its interval, to two decimals."""
    if isinstance(measure, Mapping):
        return {key: _rounded(value) for key, value in measure.items()}
    return round(measure, 2) if isinstance(measure, float) else measure
