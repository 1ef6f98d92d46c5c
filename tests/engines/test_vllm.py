"""`vllm:MODEL` without vLLM: a stand-in for its command that starts, dies and lingers like it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from curate.engines.client import Client
from curate.engines.lease import telling_line
from curate.engines.store import Store
from curate.engines.vllm import (
    VllmEngine,
    check_vllm,
    parse_vllm,
    revision_of,
    visible_gpus,
    vllm_command,
)
from curate.errors import EngineError, UsageError
from tests.engines.asking import QUICK, ask_all, request

STAND_IN = Path(__file__).with_name("vllm_stand_in.py")


@pytest.fixture(autouse=True)
def _stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("CURATE_VLLM", f"{sys.executable} {STAND_IN}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("curate.engines.vllm._LINGER_S", 0.5)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "student"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return folder


def processes(model: Path) -> list[int]:
    """Every living process that has to do with serving this model."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        told = process.info["cmdline"] or []
        if str(model) in told and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


def gone_within(model: Path, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while processes(model):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def users(tmp_path: Path, model: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Three processes that use one server, once all have its address; what they said of it."""
    code = f"""
import time
from pathlib import Path
from curate.engines import vllm
vllm._LINGER_S = 0.5
engine = vllm.VllmEngine("vllm:{model}?stand-in=deaf", None, Path({str(tmp_path / "out")!r}))
print(engine.start()[0].url, flush=True)
time.sleep(100)
"""
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    yield started
    for user in started:
        user.kill()
        user.communicate()


def test_one_server_for_three_processes_gone_with_the_last_kill(
    users: list[subprocess.Popen[str]], model: Path, tmp_path: Path
) -> None:
    assert len({user.stdout.readline() for user in users if user.stdout}) == 1
    assert (tmp_path / "out/engine.log").read_text().count("launched by curate") == 1
    for user in users[:2]:
        user.kill()
    time.sleep(1.5)
    assert len(processes(model)) == 5, "watcher and guard, server, and its two children"
    users[2].kill()
    assert gone_within(model, 15), "one of them ignores SIGTERM"


def test_killed_watcher_takes_all_of_it_along(
    users: list[subprocess.Popen[str]], model: Path
) -> None:
    assert users[0].stdout and users[0].stdout.readline()
    group = next(os.getpgid(pid) for pid in processes(model) if "serve" in words(pid)[:9])
    for pid in processes(model):
        if "curate.engines.lease" in words(pid):
            os.kill(pid, signal.SIGKILL)
            break
    until = time.monotonic() + 15
    while any(os.getpgid(pid) == group for pid in processes(model)):
        assert time.monotonic() < until
        time.sleep(0.05)
    for pid in processes(model):
        os.kill(pid, signal.SIGKILL)  # the one that left its session, which nobody knows any more


def words(pid: int) -> list[str]:
    return psutil.Process(pid).cmdline()


def test_answers_under_its_name_with_what_changes_its_answers(tmp_path: Path, model: Path) -> None:
    said: list[str] = []
    spec = f"vllm:{model}?stand-in=slow&enforce_eager=true"
    engine = VllmEngine(spec, None, tmp_path / "out", say=said.append)
    assert engine.model == "student?stand_in=slow"
    with Store(tmp_path / "store") as store, Client(engine, store, 2) as client:
        answers = ask_all(client, range(4), model=engine.model, revision=engine.revision)
        assert {a.text for a in answers.values()} == {"four"}
        assert processes(model)
    assert gone_within(model, 15)
    assert "--tensor-parallel-size 1" in (tmp_path / "out/engine.log").read_text()


def test_death_is_told_with_the_log(tmp_path: Path, model: Path) -> None:
    engine = VllmEngine(f"vllm:{model}?stand-in=dies-later", None, tmp_path / "out")
    with Store(tmp_path / "store") as store, Client(engine, store, 1, patience=QUICK) as client:
        with pytest.raises(EngineError) as caught:
            ask_all(client, range(9), model=engine.model, revision=engine.revision)
        assert str(caught.value) == (
            "vLLM died (exit status 3): RuntimeError: CUDA error: device-side assert; its log:"
            f" {tmp_path}/out/engine.log; run the same command again to continue"
        )
        assert gone_within(model, 15), "its children go with it, while its user lives on"


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        pytest.param(
            "stand-in=out-of-memory",
            r"\(exit status 1\): torch.OutOfMemoryError: CUDA out of memory. Tried to allocate",
            id="memory",
        ),
        pytest.param(
            "max_modl_len=8",
            r"\(exit status 2\): vllm serve: error: unrecognized arguments: --max-modl-len 8",
            id="argument",
        ),
    ],
)
def test_start_that_fails_says_why(tmp_path: Path, model: Path, argument: str, reason: str) -> None:
    engine = VllmEngine(f"vllm:{model}?{argument}", None, tmp_path / "out")
    try:
        with pytest.raises(EngineError, match=f"^vLLM did not start {reason}.*; its log: /"):
            engine.start()
    finally:
        engine.close()
    assert gone_within(model, 5)


def test_start_says_how_far_it_is(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curate.engines.lease._SAY_EVERY_S", 0.5)
    said: list[str] = []
    engine = VllmEngine(f"vllm:{model}?stand-in=slow", None, tmp_path / "out", say=said.append)
    try:
        engine.start()
    finally:
        engine.close()
    assert said[-1].startswith("vLLM is starting (") and said[-1].endswith(": loading weights")
    assert gone_within(model, 15)


def test_closed_while_it_starts(tmp_path: Path, model: Path) -> None:
    engine = VllmEngine(f"vllm:{model}?stand-in=slow", None, tmp_path / "out")
    with Store(tmp_path / "store") as store, Client(engine, store, 1) as client:
        client.ask(0, request(0))
        while not processes(model):
            time.sleep(0.02)
    assert gone_within(model, 15)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param("vllm:", "names no model", id="empty"),
        pytest.param("vllm:?a=1", "names no model", id="only arguments"),
        pytest.param("vllm:m@", "has no revision after the @", id="revision"),
        pytest.param("vllm:m?eager", "'eager' is not argument=value", id="no value"),
        pytest.param("vllm:m?dtype=", "'dtype=' is not argument=value", id="empty value"),
        pytest.param("vllm:m?Dtype=1", "is not argument=value", id="case"),
        pytest.param("vllm:m?port=1", "leave port out: curate sets it", id="port"),
        pytest.param("vllm:m?revision=1", "write vllm:MODEL@REVISION", id="revision argument"),
        pytest.param("vllm:m?hf_token=x", "set $HF_TOKEN", id="token"),
        pytest.param("vllm:m?dtype=a&dtype=b", "says an argument twice", id="twice"),
        pytest.param("vllm:m?tensor-parallel-size=0", "is a number of GPUs", id="no GPU"),
    ],
)
def test_what_is_no_vllm_is_refused(spec: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_vllm(spec)
    assert message in str(caught.value)


def test_where_it_runs_is_not_what_it_says() -> None:
    layouts = ["", "?tensor_parallel_size=8", "?max-model-len=32768&enable_prefix_caching=false"]
    assert {parse_vllm(f"vllm:a/b@r{layout}").identity for layout in layouts} == {"vllm:a/b@r"}
    assert parse_vllm("vllm:a/b@r?quantization=fp8&max_num_seqs=8").identity == (
        "vllm:a/b?quantization=fp8@r"
    )


def test_file_in_an_argument_counts_by_its_content(tmp_path: Path) -> None:
    template = tmp_path / "chat.jinja"
    names = set()
    for text in ("one", "two"):
        template.write_text(text)
        names.add(parse_vllm(f"vllm:m?chat_template={template}").name)
    assert len(names) == 2
    assert all(str(tmp_path) not in name for name in names)


@pytest.mark.parametrize(
    ("spec", "devices", "words"),
    [
        pytest.param("vllm:m", "0,1,2,3", "--tensor-parallel-size 4", id="all"),
        pytest.param("vllm:m", "", "--tensor-parallel-size 1", id="none"),
        pytest.param(
            "vllm:m?pipeline_parallel_size=2",
            "0,1,2,3,4,5,6,7",
            "--pipeline-parallel-size 2 --tensor-parallel-size 4",
            id="pipeline",
        ),
        pytest.param(
            "vllm:m@r?tensor_parallel_size=2&trust_remote_code=true&enable_prefix_caching=false",
            "0,1,2,3",
            "--revision r --tensor-parallel-size 2 --trust-remote-code --no-enable-prefix-caching",
            id="given",
        ),
        pytest.param(
            'vllm:m?hf_overrides={"a":%201}&tensor_parallel_size=1',
            "0",
            '--hf-overrides {"a": 1} --tensor-parallel-size 1',
            id="json",
        ),
    ],
)
def test_arguments(spec: str, devices: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", devices)
    assert " ".join(parse_vllm(spec).words()) == f"{words} --disable-uvicorn-access-log"


def test_gpus_are_counted_where_the_driver_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == 0
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'GPU 0: H100'\necho 'GPU 1: H100'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert visible_gpus() == 2


def test_revision_of_a_folder_is_its_content(tmp_path: Path, model: Path) -> None:
    weights = bytearray(3_000_000)
    (model / "model.safetensors").write_bytes(weights)
    before = revision_of(model)
    model.rename(tmp_path / "elsewhere")
    assert revision_of(tmp_path / "elsewhere") == before
    for place in range(0, len(weights), 50_000):  # training moves every weight
        weights[place] = 1
    (tmp_path / "elsewhere/model.safetensors").write_bytes(weights)
    assert revision_of(tmp_path / "elsewhere") != before


def test_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"is not a model's folder: it has no config"):
        VllmEngine(f"vllm:{tmp_path}/nowhere", None, tmp_path / "out")


def test_another_model_than_the_launched_one(tmp_path: Path) -> None:
    for known in ("a/b", "a/b@r", None):
        assert VllmEngine("vllm:a/b@r", known, tmp_path).revision == "r"
    with pytest.raises(UsageError, match=r"has one model, a/b, not 'c'; leave model= out"):
        VllmEngine("vllm:a/b@r", "c", tmp_path)


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATE_VLLM", f"{sys.executable} -m 'a b'")
    assert vllm_command() == [sys.executable, "-m", "a b"]
    monkeypatch.setenv("CURATE_VLLM", "no-such-command")
    with pytest.raises(UsageError, match=r"CURATE_VLLM names 'no-such-command'"):
        vllm_command()
    monkeypatch.delenv("CURATE_VLLM")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    (tmp_path / "vllm").touch(0o755)
    assert vllm_command() == [str(tmp_path / "vllm")]
    (tmp_path / "vllm").unlink()
    with pytest.raises(UsageError, match=r"pip install 'curate-datasets\[vllm\]'"):
        vllm_command()


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        pytest.param([], "", id="nothing"),
        pytest.param(["INFO 11-22 08:30:00 [a.py:1] one", "two", ""], "two", id="the last"),
        pytest.param(
            ["(Worker_TP0 pid=1) ERROR 11-22 08:30:01 [w.py:3] ValueError: too long", "bye"],
            "ValueError: too long",
            id="prefix",
        ),
        pytest.param(
            [
                "[x.py] engine core exited unexpectedly",
                "x.EngineDeadError: see above",
                "Error in stream",
            ],
            "[x.py] engine core exited unexpectedly",
            id="killed core",
        ),
        pytest.param(
            ["x.EngineDeadError: see above", "leaked 4"], "x.EngineDeadError: see above", id="hint"
        ),
        pytest.param(["0%\r50%\r100% loaded"], "100% loaded", id="progress bar"),
        pytest.param(["== launched by curate: vllm", "E"] * 2, "E", id="two starts"),
        pytest.param(["KeyError: old", "== launched by curate: vllm", "new"], "new", id="restart"),
    ],
)
def test_telling_line(tmp_path: Path, lines: list[str], told: str) -> None:
    log = tmp_path / "engine.log"
    log.write_text("\n".join(["== launched by curate: vllm", *lines]) + "\n")
    assert telling_line(log) == told
