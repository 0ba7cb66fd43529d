"""Where a MEDS data set lies: events in ``data/**/*.parquet``, codes in ``metadata/codes.parquet``.

``metadata/subject_splits.parquet`` is not read: the parts of a site are drawn by hash. Nothing is
opened here, so that the list of a site's files can be made before any work starts.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from visitseq.errors import UserError


class MedsFiles(NamedTuple):
    """Data files in the order of their names, and the code metadata if there is any."""

    data: tuple[Path, ...]
    codes: Path | None

    @property
    def every(self) -> list[Path]:
        """All of them."""
        return [*self.data, *([self.codes] if self.codes else [])]


def meds_files(name: str, site: Mapping[str, Any]) -> MedsFiles:
    """Find the files of a site of source meds; nothing is opened.

    Raises
    ------
    UserError
        There is no such folder, or no Parquet file in its ``data/``.
    """
    path = Path(site["path"])
    data = sorted(file for file in (path / "data").rglob("*.parquet") if _is_read(file, path))
    if not data:
        found = f"{path} has no data/**/*.parquet" if path.is_dir() else f"{path} is no folder"
        raise UserError(
            f"Site {name}: {found} ({path.absolute()}). Set sites/{name}/path to the folder of a "
            "MEDS data set, in which data/ and metadata/ stand."
        )
    codes = path / "metadata/codes.parquet"
    return MedsFiles(tuple(data), codes if codes.is_file() else None)


def _is_read(file: Path, folder: Path) -> bool:
    """Whether a file is data; hidden ones, and those in hidden folders, are not."""
    return file.is_file() and not any(
        step.startswith((".", "_")) for step in file.relative_to(folder).parts
    )
