"""study.yaml: what another installation lays over its configuration to score its site with a model.

It names the folder as a site of ``source: model``, a pair from there to the site ``mine``, and
brings the task, the cohort, the encoding and the model under the names of the study that they come
from. The site ``mine`` is the other's to describe.
"""

from collections.abc import Mapping
from typing import Any

import yaml

Section = Mapping[str, Any]

#: The name that the other installation gives its site.
TARGET = "mine"

_COMMENT = """\
# To score your own site with this model. Lay it over the configuration together with a file that
# says where your records are (sites: {{mine: {{source: omop, path: /data/omop, records: real}}}}):
#
#   snakemake transfer --cores 2 --directory runs/mine \\
#     --configfile mine.yaml runs/mine/{folder}/study.yaml
#
# It scores one part of your persons for each of run/folds: with all folds, everybody once.
# Paths below are relative to --directory: put the folder there, or change both. docs/carry.md has
# more, and what to do where your patients have no outcome yet.
"""


def folder_name(names: Section, fold: int) -> str:
    """The name of the folder where it arrives."""
    chosen = [names[key] for key in ("site", "task", "encoding", "model")]
    return "_".join([*chosen, f"fold{fold}"])


def study_overlay(names: Section, sections: Section, fold: int) -> str:
    """Text of study.yaml.

    Parameters
    ----------
    names
        Names of site, task, encoding and model in the study that the model comes from.
    sections
        Sections of the configuration: task, cohort, encoding and model.
    fold
        The model's fold.
    """
    folder, carried = folder_name(names, fold), f"carried_{names['site']}"
    task, cohort = sections["task"], dict(sections["cohort"])
    if cohort.get("phenotype") is not None:
        cohort["phenotype"] = f"{folder}/phenotype.yaml"
    content = {
        "run": {
            "sites": [TARGET],
            "tasks": [names["task"]],
            "encodings": [names["encoding"]],
            "models": [names["model"]],
            # The model as it is, and nothing that is trained; delete the line to compare.
            "transfer": [{"source": carried, "target": TARGET, "strategies": []}],
            "explain": [],
        },
        "sites": {carried: {"source": "model", "path": folder}},
        "cohorts": {task["cohort"]: cohort},
        "tasks": {names["task"]: dict(task)},
        "encodings": {names["encoding"]: dict(sections["encoding"])},
        "models": {names["model"]: dict(sections["model"])},
    }
    return _COMMENT.format(folder=folder) + yaml.safe_dump(content, sort_keys=False)
