"""Read an OMOP folder into a task's samples with PyHealth; runs in its environment, not in ours.

    build/pyhealth/bin/python benchmarks/pyhealth_omop_peer.py omop cache [--task lean]

Two tasks, each in a run of its own:

- mortality: ``MortalityPredictionOMOP``, the task of ``OMOPDataset``'s own example. It looks the
  events of each visit up in all of the patient's.
- lean: what PyHealth can do at best, for this comparison: one pass over each of a patient's tables,
  one sample a patient with the codes of each visit, and whether the patient died.

Seconds run from the CSV files to the processed samples on disk, without the start of Python and the
imports. The last line of the output is JSON; its memory is that of the largest of the processes.
"""

import argparse
import importlib.metadata
import json
import platform
import resource
import time
from pathlib import Path
from typing import Any, ClassVar

from pyhealth.datasets import OMOPDataset
from pyhealth.tasks import BaseTask, MortalityPredictionOMOP

CLINICAL = {
    "condition_occurrence": "condition_concept_id",
    "procedure_occurrence": "procedure_concept_id",
    "drug_exposure": "drug_concept_id",
}


class CodesOfVisits(BaseTask):
    """The codes of each of a patient's visits, in one pass over each table."""

    task_name: str = "CodesOfVisits"
    input_schema: ClassVar[dict[str, str]] = {"codes": "nested_sequence"}
    output_schema: ClassVar[dict[str, str]] = {"died": "binary"}

    def __call__(self, patient: Any) -> list[dict[str, Any]]:
        """One sample, or none of a patient without a code."""
        visits = patient.get_events(event_type="visit_occurrence")
        codes: dict[str, list[str]] = {visit.visit_occurrence_id: [] for visit in visits}
        for table, concept in CLINICAL.items():
            for event in patient.get_events(event_type=table):
                if event.visit_occurrence_id in codes:
                    codes[event.visit_occurrence_id].append(event[concept])
        held = [visit for visit in codes.values() if visit]
        died = len(patient.get_events(event_type="death")) > 0
        if not held:
            return []
        return [{"patient_id": patient.patient_id, "codes": held, "died": int(died)}]


TASKS = {"mortality": MortalityPredictionOMOP, "lean": CodesOfVisits}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("omop", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--task", choices=TASKS, default="mortality")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    start = time.perf_counter()
    dataset = OMOPDataset(
        root=str(options.omop),
        tables=list(CLINICAL),
        cache_dir=options.cache,
        num_workers=options.processes,
    )
    samples = dataset.set_task(TASKS[options.task]())
    seconds = time.perf_counter() - start
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    report = {
        "seconds": seconds,
        "processor": sum(one.ru_utime + one.ru_stime for one in used),
        "gigabytes": max(one.ru_maxrss for one in used) * 1024 / 1e9,
        "rows": len(samples),
        "versions": {
            "pyhealth": importlib.metadata.version("pyhealth"),
            "python": platform.python_version(),
        },
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
