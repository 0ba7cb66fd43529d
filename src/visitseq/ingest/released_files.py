"""Where a site's records in the format of Doctor AI's released code lie.

A visit file and its time file are one file each (``visits``), or three of one name with the endings
that the code's own division into parts has (``visits.train``, ``visits.valid``, ``visits.test``).
Nothing is opened here, so that the list of a site's files can be made before any work starts.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from visitseq.errors import UserError

ENDINGS = (".train", ".valid", ".test")


class ReleasedFiles(NamedTuple):
    """Visit files, the time file of each, and the types file if there is one."""

    visits: tuple[Path, ...]
    times: tuple[Path, ...]
    types: Path | None

    @property
    def every(self) -> list[Path]:
        """All of them."""
        return [*self.visits, *self.times, *([self.types] if self.types else [])]


def released_files(name: str, site: Mapping[str, Any]) -> ReleasedFiles:
    """Find the files of a site of source doctorai.

    Raises
    ------
    UserError
        There is no visit file, or not as many time files, or no types file of the name given.
    """
    visits, times = (_find(Path(site[key])) for key in ("path", "times"))
    if not visits:
        raise _missing(name, "path", site["path"])
    endings, own = ([file.suffix for file in files] for files in (visits, times))
    if len(visits) != len(times) or (len(visits) > 1 and endings != own):
        raise UserError(
            f"Site {name}: {site['path']} are {len(visits)} files and {site['times']} are "
            f"{len(times)}. Each visit file ({', '.join(ENDINGS)}, or one without) needs a time "
            "file of the same ending."
        )
    types = None if site["types"] is None else Path(site["types"])
    if types is not None and not types.is_file():
        raise _missing(name, "types", str(types))
    return ReleasedFiles(visits, times, types)


def _find(path: Path) -> tuple[Path, ...]:
    if path.is_file():
        return (path,)
    parts = [path.with_name(path.name + ending) for ending in ENDINGS]
    return tuple(part for part in parts if part.is_file())


def _missing(name: str, key: str, path: str) -> UserError:
    where = Path(path).absolute()
    return UserError(
        f"Site {name}: {key} {path} is no file ({where}), nor are there files of that name with "
        f"the endings {', '.join(ENDINGS)}. Set sites/{name}/{key} to a pickle of Doctor AI's "
        "format."
    )
