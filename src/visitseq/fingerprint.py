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

    content: bytes
    imports: tuple[Path, ...]
    reads: tuple[Path, ...]


def code_digest(module: str) -> str:
    """Digest of ``module`` (a dotted name in this package) and of all that it uses."""
    digest = hashlib.sha256()
    for path in sorted(_dependencies(_path_of(module))):
        digest.update(path.relative_to(_ROOT).as_posix().encode())
        digest.update(_read(path).content)
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
        return _File(path.read_bytes(), (), ())
    tree = _tree(path)
    return _File(ast.dump(tree).encode(), tuple(_imports(tree)), tuple(_files_read(path, tree)))


def _files_read(path: Path, tree: ast.Module) -> set[Path]:
    """C++ beside the module at ``path``, and the SQL and data files that it names."""
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    named = " ".join(value for value in constants if isinstance(value, str))
    sql = path.parent.glob("sql/*.sql") if "sql/" in named else []
    data = (file for file in _ROOT.glob("data/**/*.*") if file.name in named)
    return {*sql, *data, *path.parent.glob("*.[ch]pp")}


def _imports(tree: ast.Module) -> list[Path]:
    """Modules of this package that a module imports, wherever it does so."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return [_path_of(name) for name in names if _is_ours(name)]


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == _PACKAGE and _candidate(name) is not None


def _candidate(name: str) -> Path | None:
    """File of a module or package of this project; None where ``name`` is something in one."""
    base = _ROOT.joinpath(*name.split(".")[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _path_of(name: str) -> Path:
    path = _candidate(name)
    if path is None:
        raise ModuleNotFoundError(f"{name} is no module of {_PACKAGE}")
    return path


def _tree(path: Path) -> ast.Module:
    """Syntax tree of a module, without the docstrings of it and of all that it defines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, holders) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree
