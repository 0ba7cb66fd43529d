"""How a stage runs as a job of its own: a log file, and a user's mistake in one line."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from visitseq.errors import UserError

_FORMAT = "%(levelname)s %(name)s: %(message)s"


@contextmanager
def job(log_file: str) -> Iterator[None]:
    """Log to ``log_file`` and to stderr; leave with exit code 1 on a UserError.

    A UserError becomes one line. Anything else is unexpected and keeps its traceback, in the log
    as well.
    """
    Path(log_file).parent.mkdir(parents=True, exist_ok=True)
    handlers: list[logging.Handler] = [
        logging.FileHandler(log_file, mode="w", encoding="utf-8"),
        logging.StreamHandler(sys.stderr),
    ]
    logging.basicConfig(level=logging.WARNING, format=_FORMAT, handlers=handlers, force=True)
    logging.captureWarnings(True)
    log = logging.getLogger("visitseq")
    log.setLevel(logging.INFO)
    try:
        yield
    except UserError as error:
        log.error("%s", error)
        raise SystemExit(1) from None
    except Exception:
        log.exception("unexpected error")
        raise SystemExit(1) from None
