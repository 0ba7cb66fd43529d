"""What a user sees of a training: a bar on a terminal, plain lines in the log."""

import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

from small_training import ENCODING, FOLD, GRU, PARTS, cohort, inputs

#: Trains as a job of the workflow does.
SCRIPT = """
import json, sys
from pathlib import Path
from visitseq.job import job
with job(sys.argv[2]):
    from visitseq.train import train_model
    arguments = json.loads(sys.argv[1])
    for key in ("visits", "vocabulary", "folder"):
        arguments[key] = Path(arguments[key])
    train_model(**arguments)
"""


def on_a_terminal(command: list[str]) -> str:
    """Everything that ``command`` writes to the terminal that its stderr is."""
    reader, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 120))  # a bar has the width of the terminal
    with subprocess.Popen(command, stderr=terminal) as process:
        os.close(terminal)
        parts = []
        while True:
            try:
                part = os.read(reader, 65536)
            except OSError:  # the other side has closed
                break
            if not part:
                break
            parts.append(part)
    os.close(reader)
    assert process.returncode == 0
    return b"".join(parts).decode()


def test_a_bar_on_the_terminal_and_lines_in_the_log(tmp_path: Path) -> None:
    settings = {"encoding": ENCODING, "fold": FOLD, "parts": PARTS, "seed": 0, "model": GRU}
    given = {**inputs(cohort(), tmp_path), **settings, "folder": tmp_path / "model"}
    log = tmp_path / "train.log"
    arguments = json.dumps(given, default=str)
    shown = on_a_terminal([sys.executable, "-c", SCRIPT, arguments, str(log)])
    assert "epoch 1/5" in shown
    assert "patient/s" in shown  # patients a second, and before it tqdm's time left
    assert "loss=0." in shown
    text = log.read_text("utf-8")
    assert "\r" not in text
    assert "patient/s" not in text
    lines = [line for line in text.splitlines() if "epoch 5: training loss" in line]
    assert len(lines) == 1
    assert lines[0].startswith("INFO visitseq.train.progress: ")
    assert "patients a second, at most 0 s left" in lines[0]
    # The line stands on a line of its own on the terminal too: the bar made room.
    assert f"\r{lines[0]}" in shown
