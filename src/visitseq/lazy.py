"""Stage functions as attributes of their package, imported when they are asked for.

``visitseq.train.train_model`` is a function; ``import visitseq.train`` alone must not wait for
torch.
"""

import importlib
from collections.abc import Callable
from typing import Any


def stage_functions(package: str, **modules: str) -> Callable[[str], Any]:
    """Make a package's ``__getattr__``: each function by its name, from the module given for it."""

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    return get
