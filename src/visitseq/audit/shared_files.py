"""What a file says, whatever its kind: fields by name, and texts.

Tables have a field a column, JSON and YAML one a key; every other file that can be read is text.
Of a figure as SVG the words are read (which stand in comments beside their glyphs), not the
coordinates; the same figure as PDF holds glyphs alone, so of a PDF what is not compressed is read
(its title and dates). Weights are numbers without names: of safetensors the header is read, of
skops the schema.
"""

import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import yaml

_COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
_MARKUP = re.compile(r"<[^>]*>", re.DOTALL)
_STREAM = re.compile(rb"\bstream\r?\n.*?endstream", re.DOTALL)
_HEADER_LENGTH = 8  # bytes, little-endian, before the header of a safetensors file


@dataclass
class Content:
    """What was read of a file.

    Attributes
    ----------
    fields
        Values as text, by column or key.
    texts
        Everything that is written, fields' values and names among it.
    """

    fields: dict[str, list[str]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)


def read_shared(path: Path) -> Content | None:
    """Read a file by its suffix; None of a kind that cannot be read."""
    reader = _READERS.get(path.suffix)
    return None if reader is None else reader(path)


def _table(path: Path, separator: str = ",") -> Content:
    table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    return _of_fields({str(name): table[name].tolist() for name in table})


def _parquet(path: Path) -> Content:
    table = pq.read_table(path)
    return _of_fields(
        {name: [str(v) for v in table[name].to_pylist()] for name in table.schema.names}
    )


def _json(path: Path) -> Content:
    return _of_tree(json.loads(path.read_text(encoding="utf-8")))


def _yaml(path: Path) -> Content:
    # As text: a date of YAML would come back as one of Python.
    return _of_tree(yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader))


def _svg(path: Path) -> Content:
    text = path.read_text(encoding="utf-8")
    return Content(texts=[*_COMMENT.findall(text), _MARKUP.sub(" ", _COMMENT.sub(" ", text))])


def _html(path: Path) -> Content:
    return Content(texts=[_MARKUP.sub(" ", path.read_text(encoding="utf-8"))])


def _text(path: Path) -> Content:
    return Content(texts=[path.read_text(encoding="utf-8", errors="replace")])


def _pdf(path: Path) -> Content:
    return Content(texts=[_STREAM.sub(b" ", path.read_bytes()).decode("latin-1")])


def _safetensors(path: Path) -> Content:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_HEADER_LENGTH), "little")
        header = json.loads(file.read(length))
    return _of_tree(header.get("__metadata__", {}))


def _skops(path: Path) -> Content:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".json")]
        return Content(texts=[archive.read(name).decode("utf-8") for name in names])


def _of_tree(tree: Any) -> Content:
    fields: dict[str, list[str]] = {}
    for name, value in _leaves("", tree):
        fields.setdefault(name, []).append(value)
    return _of_fields(fields)


def _leaves(name: str, tree: Any) -> Iterator[tuple[str, str]]:
    """Each value with the key that it stands under; those of a list stand under the list's."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _leaves(str(key), value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _leaves(name, value)
    else:
        yield name, "" if tree is None else str(tree)


def _of_fields(fields: dict[str, list[str]]) -> Content:
    return Content(fields, [*fields, *(value for values in fields.values() for value in values)])


_READERS: dict[str, Callable[[Path], Content]] = {
    ".csv": _table,
    ".tsv": lambda path: _table(path, "\t"),
    ".parquet": _parquet,
    ".json": _json,
    ".yaml": _yaml,
    ".svg": _svg,
    ".html": _html,
    ".log": _text,
    ".md": _text,
    ".txt": _text,
    ".pdf": _pdf,
    ".safetensors": _safetensors,
    ".skops": _skops,
}
