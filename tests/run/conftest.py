"""A small project of a user's own, and the command line run in it as a person would."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TOY = """
    import os, signal, time
    from pathlib import Path
    from curate import Sample, Step, pipeline
    from curate.notice import notice
    from curate.select import Pick
    from datatrove.pipeline.filters.lambda_filter import LambdaFilter

    class Numbers(Step):
        is_source = True

        def __init__(self, n):
            super().__init__()
            self.n = n

        def run(self, data, rank=0, world_size=1):
            for i in range(self.n):
                prompt = Sample(prompt_id=f"{i:016x}", problem=str(i))
                for k in range(3):
                    sample = prompt.with_completion("x" * (k + 1), id=f"{i:016x}-{k:08x}", k=k)
                    yield sample.to_document()

    class Trouble(Step):
        '''Does what `how` says when it meets problem 5, once a marker file is gone.'''

        where = frozenset({"marker"})

        def __init__(self, how, marker):
            super().__init__()
            self.how, self.marker = how, marker

        def run(self, data, rank=0, world_size=1):
            for document in data:
                if document.metadata["problem"] == "5" and Path(self.marker).exists():
                    if self.how == "die":
                        os.kill(os.getpid(), signal.SIGKILL)
                    if self.how == "raise":
                        raise KeyError("no such thing")
                    if self.how == "vanish":
                        continue
                    if self.how == "notice":
                        notice("look here")
                    if self.how == "full":
                        raise OSError(28, "No space left on device", "somewhere")
                    if self.how == "sleep":
                        Path(self.marker).with_suffix(".reached").touch()
                        time.sleep(60)
                yield document

    def is_odd(document):
        return int(document.metadata["problem"]) % 2 == 1, "even"

    def without_eleven(data, rank=0, world_size=1):
        for document in data:
            if document.metadata["problem"] != "11":
                yield document

    @pipeline
    def toy(n: int = 20, how: str = "none", marker: str = "none", out: str = "runs/toy") -> list:
        '''A toy.'''
        return [Numbers(n), LambdaFilter(is_odd), Trouble(how, marker), without_eleven,
                Pick(1, by="shortest")]
"""


class Project:
    """A folder with a pipeline, and `curate` run in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "pyproject.toml").write_text("[project]\nname = 'mine'\nversion = '0'\n")
        self.write("pipelines/__init__.py", "")
        self.write("pipelines/toy.py", TOY)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "curate.cli", *words]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT)}

    def curate(self, *words: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words),
            cwd=self.root,
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
