"""Doctor AI's Table 2 from the study: what each model's predictions of next visits are worth.

A row a site, task, encoding and model. Beside ours stands what the paper printed for the model of
that kind and a task of labels of those domains, as it stands in its table, with no regard to our
encoding or ``rollup``.
"""

from typing import Any

import pandas as pd

from visitseq.evaluate.next_visit_metrics import METRICS
from visitseq.evaluate.recall import CUTS
from visitseq.figures.labels import interval_text
from visitseq.figures.next_visit_results import NextVisitResult
from visitseq.figures.published import HEADING
from visitseq.figures.published_next_visit import (
    published_labels,
    published_next_visit,
    published_r2,
    published_recalls,
)
from visitseq.figures.rows_tested import persons_tested
from visitseq.figures.study import Study

_DIGITS = 3
_TASK = ("rollup", "split")
_PLACE = [
    *("records", "site", "task", "labels", *_TASK, "encoding", "model"),
    *("folds", "persons"),
]
_RECALLS = {k: f"{HEADING}: recall at {k}" for k in CUTS}
_MODEL, _R2 = f"{HEADING}: model", f"{HEADING}: R2 of log days"


def next_visit_table(study: Study, results: list[NextVisitResult]) -> pd.DataFrame:
    """Every model's metrics as ``value [low, high]``, the mean over the folds."""
    lines = [
        {
            "records": study.records(result.setting.site),
            **result.setting._asdict(),
            "labels": " + ".join(study.next_visits[result.setting.task]["labels"]),
            **{key: study.next_visits[result.setting.task][key] for key in _TASK},
            "model": result.model,
            "folds": len(result.folds),
            "persons": persons_tested(study, result),
            **{name: interval_text(result.means[name], _DIGITS) for name in METRICS},
            **_published(study, result),
        }
        for result in results
    ]
    return pd.DataFrame(lines, columns=[*_PLACE, *METRICS, _MODEL, *_RECALLS.values(), _R2])


def _published(study: Study, result: NextVisitResult) -> dict[str, Any]:
    encoding = study.encoding_sections[result.setting.encoding]
    name = published_next_visit(study.model_sections[result.model], encoding)
    labels = published_labels(study.next_visits[result.setting.task])
    recalls = published_recalls(name, labels)
    shown = name if name and labels else ""
    return {
        _MODEL: shown,
        **{_RECALLS[k]: recalls[k] for k in CUTS},
        _R2: published_r2(name, labels),
    }
