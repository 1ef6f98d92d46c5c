"""What pytest does with tests that need a sandbox on a machine that has none, and with workers.

The first skip with the reason, unless `$CURATE_TEST_SANDBOX` is set, as `.ci/run` does: there they
fail. With `-n 3 --no-loadscope-reorder` the tests of a file stay together, and those of all
pipelines, which ask the embedded model and take longest, go to one worker and begin first; those
of executors, which wait for their daemons, begin next.
"""

from __future__ import annotations

import doctest
import os
from collections.abc import Generator
from typing import Any

import hypothesis
import pytest

from curate.scorers.sandbox import NoSandbox

# Seconds of the wall clock say nothing of a test that shares its processor with two others.
hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.load_profile("shared")

PIPELINES = "tests/pipelines/"
LONGEST = (PIPELINES, "tests/executors/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: [not item.nodeid.startswith(folder) for folder in LONGEST])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            is_pipeline = nodeid.startswith(PIPELINES)
            return PIPELINES if is_pipeline else nodeid.partition("::")[0]

    return ByFile(config, log)


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
