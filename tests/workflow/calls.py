"""Ways to call Snakemake as a user would, on the workflow or on a copy of it."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "tests/configs/tiny.yaml"
_PARTS = ["Snakefile", "config.yaml", "environment.yml", "workflow", "src"]
#: What follows whenever the figures are drawn.
AFTER_FIGURES = {"fill_sheets": 1, "check_privacy": 1, "pass_privacy": 1}


@dataclass(frozen=True)
class Workflow:
    """A workflow at ``project`` that runs in ``directory``."""

    project: Path
    directory: Path

    def snakemake(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run Snakemake as a user would, from the directory."""
        command = [sys.executable, "-m", "snakemake", "--snakefile", self.project / "Snakefile"]
        command += ["--directory", self.directory, *arguments]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        return subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.directory,
            env=environment,
        )

    def planned(self, *arguments: str | Path) -> dict[str, int]:
        """Jobs that a dry run would start, by rule."""
        done = self.snakemake("-n", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        stats = re.search(r"Job stats:\n(.*?)\n\n", done.stdout + done.stderr, re.S)
        if stats is None:
            return {}
        counted = re.findall(r"^(\w+)\s+(\d+)$", stats[1], re.M)
        return {rule: int(jobs) for rule, jobs in counted if rule not in ("total", "all")}


def copy_workflow(folder: Path) -> Path:
    """Copy what the workflow consists of to ``folder``."""
    folder.mkdir(parents=True)
    for part in _PARTS:
        if (ROOT / part).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / part, folder / part, ignore=ignored)
        else:
            shutil.copy2(ROOT / part, folder / part)
    return folder
