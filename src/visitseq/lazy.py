"""Stage functions as attributes of their package, imported when they are asked for.

``visitseq.train.train_model`` is the function of that name; ``import visitseq.train`` alone must
not wait for torch.
"""

import importlib
import sys
from collections.abc import Callable
from typing import Any


def stage_functions(package: str, *names: str) -> Callable[[str], Any]:
    """Make a package's ``__getattr__``: each name is the function in the module so called."""

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        function = getattr(importlib.import_module(f"{package}.{name}"), name)
        # The import has just bound the name to the module.
        setattr(sys.modules[package], name, function)
        return function

    return get
