"""What pytest does with tests that need a sandbox on a machine that has none, and with two workers.

The first skip with the reason, unless `$CURATE_TEST_SANDBOX` is set, as `.ci/run` does: there they
fail. With `-n 2 --dist loadgroup` the tests of a file stay together, and those of all pipelines,
which ask the embedded model and take longest, go to one worker and begin first.
"""

from __future__ import annotations

import doctest
import os
from collections.abc import Generator
from pathlib import Path

import pytest

from curate.scorers.sandbox import NoSandbox

PIPELINES = Path(__file__).parent / "tests/pipelines"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        group = PIPELINES if item.path.is_relative_to(PIPELINES) else item.path
        item.add_marker(pytest.mark.xdist_group(str(group)))
    items.sort(key=lambda item: not item.path.is_relative_to(PIPELINES))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    try:
        return (yield)
    except (NoSandbox, doctest.UnexpectedException) as error:
        cause = error.exc_info[1] if isinstance(error, doctest.UnexpectedException) else error
        if not isinstance(cause, NoSandbox) or os.environ.get("CURATE_TEST_SANDBOX"):
            raise
        pytest.skip(str(cause))


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup() -> Generator[None]:
    try:
        return (yield)
    except NoSandbox as error:
        if os.environ.get("CURATE_TEST_SANDBOX"):
            raise
        pytest.skip(str(error))
