"""`engine=local:DIR`: what is served is what was trained, and nothing else."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from curate.engines.engine import check_engine, engine_identity, open_engine
from curate.engines.store import Store
from curate.engines.trained import TrainedEngine, model_files, revision_of, trained_files
from curate.engines.trained_tokenizer import cut_of
from curate.engines.weights import read_tensors, write_tensors
from curate.errors import EngineError, UsageError
from curate.generate import Generate
from curate.step import Context
from tests.engines.tiny_weights import write_tiny_weights


def tensors_of(folder: Path) -> dict[str, np.ndarray]:
    return {name: np.array(tensor) for name, tensor in read_tensors(folder)}


def opened(spec: str, tmp_path: Path, model: str | None = None) -> TrainedEngine:
    with Store(tmp_path / "store") as store:
        engine = open_engine(spec, model=model, out=tmp_path, store=store, project=tmp_path)
    assert isinstance(engine, TrainedEngine)
    return engine


@pytest.mark.parametrize("spec", ["local:OUT/student", "local:student", "local:{}/student"])
def test_folder_of_the_run_of_the_project_and_by_its_path(spec: str, tmp_path: Path) -> None:
    write_tiny_weights(tmp_path / "student")
    engine = opened(spec.format(tmp_path), tmp_path)
    assert engine.folder == tmp_path / "student"
    assert engine.model == "student"
    assert engine_identity(spec) == "local:student"


def test_nothing_is_looked_for_before_the_stage_runs() -> None:
    check_engine("local:OUT/student")
    assert Generate("local:OUT/student", accept=[]).max_tokens == 160


@pytest.mark.parametrize("spec", ["local:", "local: student", "local:/"])
def test_spec_without_a_folder(spec: str) -> None:
    with pytest.raises(UsageError, match=r"names no folder; write local:DIR"):
        check_engine(spec)


def test_no_model_there(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"there is no trained model in .*student .*after SFT"):
        opened("local:OUT/student", tmp_path)


def test_another_model_than_the_folders(tmp_path: Path) -> None:
    write_tiny_weights(tmp_path / "student")
    with pytest.raises(UsageError, match=r"has one model, student, not 'other'; leave model= out"):
        opened("local:student", tmp_path, model="other")


def test_trained_again_it_is_another_revision(tmp_path: Path) -> None:
    """One weight in the middle of the file: names, shapes and sizes stay."""
    folder = write_tiny_weights(tmp_path / "student")
    before = opened("local:student", tmp_path).revision
    assert opened("local:student", tmp_path).revision == before
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    assert opened("local:student", tmp_path).revision != before


def test_what_does_not_answer_is_no_part_of_the_revision(tmp_path: Path) -> None:
    folder = write_tiny_weights(tmp_path / "student")
    before = revision_of(model_files(folder))
    (folder / "training.json").write_text("{}")
    assert revision_of(model_files(folder)) == before
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert revision_of(model_files(folder)) != before


def test_weights_of_the_project_are_part_of_the_data(tmp_path: Path) -> None:
    folder = write_tiny_weights(tmp_path / "student")
    assert folder / "model.safetensors" in trained_files("local:student", tmp_path)
    assert trained_files("local:OUT/student", tmp_path) == []
    assert trained_files("local", tmp_path) == []
    step = Generate("local:student", accept=[])
    step.prepare(Context(out=tmp_path / "out", project=tmp_path, pipeline_dir=tmp_path))
    assert folder / "model.safetensors" in step.files()


@pytest.mark.parametrize(
    ("kind", "stored"), [("F32", "<f4"), ("F16", "<f2"), ("F64", "<f8"), ("BF16", "<u2")]
)
def test_numbers_of_every_kind_are_read(kind: str, stored: str, tmp_path: Path) -> None:
    values = np.array([[1.0, -2.5], [0.0, 384.0]], dtype=np.float32)
    raw = (values.view(np.uint32) >> 16) if kind == "BF16" else values
    header = {"x": {"dtype": kind, "shape": [2, 2], "data_offsets": [0, 0]}}
    data = raw.astype(stored).tobytes()
    header["x"]["data_offsets"] = [0, len(data)]
    said = json.dumps(header).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(said)) + said + data)
    assert np.array_equal(tensors_of(tmp_path)["x"], values)


def test_written_weights_are_read_again(tmp_path: Path) -> None:
    tensors = {"b": np.ones((3, 5), np.float16), "a": np.arange(4, dtype=np.float16)}
    write_tensors(tmp_path / "model.safetensors", tensors)
    found = tensors_of(tmp_path)
    assert all(np.array_equal(found[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize("data", [b"", b"\xff" * 40, struct.pack("<Q", 2) + b"[]"])
def test_damaged_weights(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(EngineError, match="is no sound safetensors file"):
        tensors_of(tmp_path)


DIGITS = {"type": "Digits", "individual_digits": True}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}


@pytest.mark.parametrize(
    ("tokenizer", "name"),
    [
        pytest.param({"pre_tokenizer": {**BYTES, "use_regex": True}}, "gpt-2", id="bytes"),
        pytest.param(
            {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [DIGITS, BYTES]}},
            "smollm",
            id="each digit alone",
        ),
        pytest.param({"pre_tokenizer": BYTES}, None, id="not cut at all"),
        pytest.param({"pre_tokenizer": {"type": "Whitespace"}}, None, id="another way"),
        pytest.param({"pre_tokenizer": None}, None, id="none"),
        pytest.param(
            {"normalizer": {"type": "Lowercase"}, "pre_tokenizer": {**BYTES, "use_regex": True}},
            None,
            id="text is changed before",
        ),
    ],
)
def test_how_a_tokenizer_cuts(tokenizer: dict[str, object], name: str | None) -> None:
    assert cut_of(tokenizer) == name


def change(name: str, **values: object) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        said = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(said | values))

    return apply


REFUSED = {
    "another architecture": (
        change("config.json", architectures=["GPT2LMHeadModel"]),
        r"\['GPT2LMHeadModel'\] is none of LlamaForCausalLM.*serve it with engine=vllm:",
    ),
    "scaled positions": (
        change("config.json", rope_parameters={"rope_type": "llama3", "rope_theta": 1e4}),
        r"its positions are scaled .*engine=vllm:",
    ),
    "no config": (lambda folder: (folder / "config.json").unlink(), r"is not a trained model's"),
}


@pytest.mark.parametrize(("spoil", "said"), REFUSED.values(), ids=REFUSED)
def test_refused_before_a_server_is_started(
    spoil: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    pytest.importorskip("gguf", reason="the local engine (curate-datasets[local]) is not installed")
    pytest.importorskip("xllamacpp", reason="curate-datasets[local] is not installed")
    spoil(write_tiny_weights(tmp_path / "student"))
    with pytest.raises(EngineError, match=said):
        opened("local:student", tmp_path).start()
