"""Prompts from a Hub, read by the real client from a Hub on the loopback."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from curate.errors import UsageError
from curate.sources import Prompts
from tests.servers.hub import Hub

TRAIN = b"".join(
    json.dumps({"problem": f"What is {n} + 1?", "answer": n + 1}).encode() + b"\n" for n in range(5)
)
FILES = {
    "train.jsonl": TRAIN + b'{"problem": ""}\n',
    "test.jsonl": b'{"problem": "What is 9 + 1?", "answer": 10}\n',
}
ASK = """
import json, sys
from pathlib import Path
from curate.errors import CurateError
from curate.sources import Prompts
from curate.step import Context

for spec, limit in json.loads(sys.argv[1]):
    step = Prompts(spec, limit=limit)
    step.prepare(Context(out=Path(), project=Path("/"), pipeline_dir=Path("/")))
    try:
        found = [[d.text, d.metadata["answer"], d.metadata["source"]] for d in step.run()]
    except CurateError as error:
        found = f"{type(error).__name__}: {error}"
    print(json.dumps(found))
"""


@contextmanager
def hub_of(folder: Path, name: str, files: Mapping[str, bytes]) -> Iterator[str]:
    """The address of a Hub with one dataset."""
    with Hub(folder / "hub") as hub:
        lines = [
            {"key": "file", "value": {"path": path, "content": base64.b64encode(content).decode()}}
            for path, content in files.items()
        ]
        header = {"key": "header", "value": {"summary": "all of it"}}
        hub.create(name).commit("main", [header, *lines])
        yield hub.address


def ask(address: str, home: Path, *asked: tuple[str, int | None]) -> list:
    """What each (spec, limit) gives; in a new process, as the client reads its address once."""
    environment = {"HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(asked)],
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_dataset_on_the_hub_gives_prompts(tmp_path):
    with hub_of(tmp_path, "org/sums", FILES) as address:
        few, whole, other, revision, missing, split = ask(
            address,
            tmp_path,
            *(("hub:org/sums@main", 2), ("hub:org/sums@main", None)),
            *(("hub:org/sums@main?split=test", None), ("hub:org/sums@v9", None)),
            *(("hub:org/none@main", None), ("hub:org/sums@main?split=dev", 1)),
        )
    assert few == [["What is 0 + 1?", "1", "org/sums"], ["What is 1 + 1?", "2", "org/sums"]]
    assert len(whole) == 5
    assert other == [["What is 9 + 1?", "10", "org/sums"]]
    assert "cannot read hub:org/sums@v9: it has no revision 'v9'; it has main" in revision
    assert "cannot read hub:org/none@main: there is no dataset org/none; check its" in missing
    assert "(split dev): " in split
    assert "['train', 'test']" in split
    assert all(text.startswith("RunError: ") for text in (revision, missing, split))


def test_a_dataset_without_questions_is_refused(tmp_path):
    with hub_of(tmp_path, "org/x", {"train.jsonl": b'{"question": "?"}\n'}) as address:
        (said,) = ask(address, tmp_path, ("hub:org/x@main?config=default", None))
    assert said.startswith("UsageError: hub:org/x@main has no row with `problem` or `messages`;")
    assert "rename the column `question` to `problem`" in said


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("hub:org/sums", "'hub:org/sums' is not hub:NAME@REVISION"),
        ("hub:@main", "'hub:@main' is not hub:NAME@REVISION"),
        ("hub:org/sums@main?splt=test", "'splt=test' is not config=… or split=…; did you mean sp"),
        ("hub:org/sums@main?split", "'split' is not config=… or split=…"),
    ],
    ids=["no revision", "no name", "unknown parameter", "no value"],
)
def test_a_wrong_spec_is_refused_before_anything_runs(context, spec, said):
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        Prompts(spec).prepare(context)


def test_name_and_revision_are_what_it_is():
    said = Prompts("hub:org/sums@main").identity()["spec"]
    assert said == "hub:org/sums@main" != Prompts("hub:org/sums@v1").identity()["spec"]
