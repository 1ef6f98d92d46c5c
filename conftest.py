"""What pytest does with tests that need a sandbox on a machine that has none.

They skip with the reason, unless `$CURATE_TEST_SANDBOX` is set, as `.ci/run` does: there they fail.
"""

from __future__ import annotations

import doctest
import os
from collections.abc import Generator

import pytest

from curate.scorers.sandbox import NoSandbox


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
