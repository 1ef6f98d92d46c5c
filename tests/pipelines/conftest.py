"""What the embedded model has said in this session, so that no two tests ask it the same."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def laptop_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sample store for the tests that run pipelines with their defaults."""
    return tmp_path_factory.mktemp("laptop") / "store"
