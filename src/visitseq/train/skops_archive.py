"""Save scikit-learn models so that the same model is the same bytes.

A skops archive is a zip of the model's arrays and of schema.json, a tree of nodes that name their
type, their content and, as ``__id__``, the memory address where the object stood; the arrays'
files are named after addresses too, and the zip records the time. None of that says anything about
the model, and all of it differs from run to run. So the archive is rewritten: ids and files are
numbered in the order in which the tree names them, and every date is 1980-01-01.

Equal ids mean "the same object", which matters for what can be changed. Whether two equal numbers
or strings are one object is the interpreter's whim, so each of those gets a number of its own.
"""

import io
import itertools
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from visitseq.errors import UserError

#: Types that may be loaded besides those that skops trusts itself: the sparse matrix of counts
#: that a nearest-neighbour model keeps, three arrays and a shape.
TRUSTED = ("scipy.sparse._csr.csr_matrix",)

DATE = (1980, 1, 1, 0, 0, 0)

#: What scikit-learn's packages import where it is installed, and no estimator needs: torch, which
#: takes a second, by a package within scikit-learn, and pytest, a quarter of the rest.
HIDDEN = ("sklearn.externals.array_api_compat.torch", "pytest")


def save_archive(model: Any, path: Path) -> None:
    """Write a scikit-learn model, or a dict of such, texts and arrays, to ``path``."""
    with (
        zipfile.ZipFile(io.BytesIO(_skops().dumps(model))) as source,
        zipfile.ZipFile(path, "w") as target,
    ):
        schema = json.loads(source.read("schema.json"))
        files: dict[str, str] = {}
        _number(schema, {}, files, itertools.count(1))
        for name, new_name in files.items():
            target.writestr(zipfile.ZipInfo(new_name, DATE), source.read(name))
        target.writestr(zipfile.ZipInfo("schema.json", DATE), json.dumps(schema, indent=2))


def load_archive(path: Path) -> Any:
    """Read what ``save_archive`` wrote.

    Raises
    ------
    UserError
        It holds types that neither skops nor ``TRUSTED`` names: nothing of it was made.
    """
    reader = _skops()
    unknown = reader.get_untrusted_types(file=path)
    if set(unknown) - set(TRUSTED):
        raise UserError(
            f"{path} holds {len(set(unknown) - set(TRUSTED))} types that a model of this project "
            "never has. It was written by something else: do not use it."
        )
    return reader.load(path, trusted=list(TRUSTED))


def _skops() -> ModuleType:
    """Import skops.io, without torch and pytest unless they are there already.

    skops walks through all packages of scikit-learn to name its estimators, and passes over what
    cannot be imported. None of those is in what is hidden.
    """
    hidden = [name for name in HIDDEN if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # "cannot be imported"
    import skops.io  # noqa: PLC0415

    for name in hidden:
        del sys.modules[name]
    module: ModuleType = skops.io
    return module


def _number(node: Any, ids: dict[int, int], files: dict[str, str], unused: Iterator[int]) -> None:
    """Renumber the ids and files below ``node`` in place, depth first."""
    if isinstance(node, list):
        for child in node:
            _number(child, ids, files, unused)
    elif isinstance(node, dict):
        for child in node.values():
            _number(child, ids, files, unused)
        if "__loader__" in node:
            number = next(unused)
            scalar = node["__loader__"] == "JsonNode"
            node["__id__"] = number if scalar else ids.setdefault(node["__id__"], number)
        if isinstance(node.get("file"), str):
            suffix = Path(node["file"]).suffix
            node["file"] = files.setdefault(node["file"], f"{len(files) + 1}{suffix}")
