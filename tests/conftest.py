"""Which tests stay together when several processes share them."""

from pathlib import Path

import pytest

WORKFLOW = Path(__file__).parent / "workflow"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one process, and those that ask for one run of the workflow."""
    for item in items:
        shared = item.path.parent == WORKFLOW and "study" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("study" if shared else str(item.path)))
