"""A digest of the code that a function depends on, so that an edit reruns what it concerns.

It covers the module and every module of this project that it imports, directly or not, as syntax
trees without docstrings (comments and layout don't count), and the files that they read: a module
that names ``sql/`` reads the SQL beside it, one that names a file of ``data/`` reads that file, and
C++ beside a module is its own.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).parent
_PACKAGE = _ROOT.name


class _File(NamedTuple):
    """What a digest needs to know of a file: each is read once, for many stages use it."""

    digest: bytes
    imports: tuple[Path, ...]
    reads: tuple[Path, ...]


def code_digest(module: str) -> str:
    """Digest of ``module`` (a dotted name in this package) and of all that it uses."""
    digest = hashlib.sha256()
    for path in sorted(_dependencies(_path_of(module))):
        digest.update(path.relative_to(_ROOT).as_posix().encode())
        digest.update(_read(path).digest)
    return digest.hexdigest()[:16]


def _dependencies(path: Path) -> set[Path]:
    """Files that the module at ``path`` uses, itself included."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _read(module).imports
    return found.union(*(_read(module).reads for module in found))


@cache
def _read(path: Path) -> _File:
    """Read a module, or a file that one reads."""
    if path.suffix != ".py":
        return _File(hashlib.sha256(path.read_bytes()).digest(), (), ())
    written = _Written([], [], [])
    _write(ast.parse(path.read_text(encoding="utf-8")), written)
    imported = filter(None, (_module_file(_ROOT, name) for name in written.imported))
    files = _files_read(path, " ".join(written.strings))
    digest = hashlib.sha256("\n".join(written.words).encode()).digest()
    return _File(digest, tuple(imported), tuple(files))


class _Written(NamedTuple):
    """What a syntax tree says: its nodes in order, the modules it imports and its strings."""

    words: list[str]
    imported: list[str]
    strings: list[str]


#: What can have a docstring.
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def _write(node: ast.AST, to: _Written) -> None:
    """Add a node and all below it, in one pass: every call of Snakemake reads the whole library.

    Each list of nodes stands in brackets, so that different trees are different words. Docstrings
    and whether a name is read or set, which follows from where it stands, are left out.
    """
    to.words.append(type(node).__name__)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        to.strings.append(node.value)
    elif isinstance(node, ast.Import | ast.ImportFrom):
        to.imported.extend(_names_imported(node))
    for field in node._fields:
        value = getattr(node, field)
        if isinstance(value, list):
            documented = field == "body" and isinstance(node, _DOCUMENTED)
            to.words.append("[")
            for item in value[1:] if documented and _is_docstring(value[:1]) else value:
                _write_value(item, to)
            to.words.append("]")
        else:
            _write_value(value, to)


def _write_value(value: object, to: _Written) -> None:
    if not isinstance(value, ast.AST):
        to.words.append(repr(value))
    elif not isinstance(value, ast.expr_context):
        _write(value, to)


def _is_docstring(first: list[ast.stmt]) -> bool:
    """Whether the first statement of a body, if there is one, is a string."""
    return any(
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
        for statement in first
    )


def _names_imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Modules that a statement may import: what is named after ``import`` may be one too."""
    names = [alias.name for alias in node.names]
    if isinstance(node, ast.Import) or node.module is None:
        return names
    return [node.module, *(f"{node.module}.{name}" for name in names)]


def _files_read(path: Path, named: str) -> set[Path]:
    """C++ beside the module at ``path``, and the SQL and data files among what it names."""
    sql = _matching(path.parent, "sql/*.sql") if "sql/" in named else ()
    data = (file for file in _matching(_ROOT, "data/**/*.*") if file.name in named)
    return {*sql, *data, *_matching(path.parent, "*.[ch]pp")}


@cache
def _matching(folder: Path, pattern: str) -> tuple[Path, ...]:
    """Files below a folder; each folder is searched once, not for every module in it."""
    return tuple(folder.glob(pattern))


def _path_of(name: str) -> Path:
    path = _module_file(_ROOT, name)
    if path is None:
        raise ModuleNotFoundError(f"{name} is no module of {_PACKAGE}")
    return path


@cache
def _module_file(root: Path, name: str) -> Path | None:
    """File of a module or package of this project; None where ``name`` is something else."""
    package, *below = name.split(".")
    base = root.joinpath(*below)
    for path in (base.with_suffix(".py"), base / "__init__.py") if package == _PACKAGE else ():
        if path.is_file():
            return path
    return None
