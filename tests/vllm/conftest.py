"""One real vLLM for all tests here, launched as `engine=vllm:…` launches it, with a tiny model.

    CURATE_TEST_VLLM=$(.ci/vllm FOLDER) pytest tests/vllm

Its KV cache holds 3,072 tokens, so a few long answers at a time fill it.
"""

from __future__ import annotations

import os
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from curate.engines.metrics import Gauges, read_gauges
from curate.engines.vllm import VllmEngine
from tests.vllm.tiny_model import write_tiny_model

ARGUMENTS = {
    "load_format": "dummy",
    "enforce_eager": "true",
    "num_gpu_blocks_override": "24",
    "max_model_len": "2048",
    "max_num_seqs": "64",
}
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
}


class Vllm(NamedTuple):
    """The running server, and what it takes to join it from another process."""

    spec: str
    out: Path
    """Who opens `spec` with this run directory shares the server."""
    model: str
    revision: str | None
    url: str

    def engine(self) -> VllmEngine:
        """One more user of the same server."""
        return VllmEngine(self.spec, None, self.out)

    def gauges(self) -> Gauges:
        """Its load as our client reads it."""
        gauges = read_gauges(self._metrics())
        assert gauges
        return gauges

    def generated_tokens(self) -> float:
        """Since it started."""
        found = re.findall(r"^vllm:generation_tokens_total\{.*\} (\S+)$", self._metrics(), re.M)
        return sum(map(float, found))

    def _metrics(self) -> str:
        with urllib.request.urlopen(self.url.replace("/v1", "/metrics"), timeout=30) as response:
            return response.read().decode()


@pytest.fixture(scope="session")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    command = os.environ.get("CURATE_TEST_VLLM")
    if not command:
        pytest.skip("$CURATE_TEST_VLLM names no vllm command; .ci/vllm FOLDER makes one")
    folder = tmp_path_factory.mktemp("vllm")
    place = write_tiny_model(folder / "tiny")
    spec = f"vllm:{place}?" + "&".join(f"{key}={value}" for key, value in ARGUMENTS.items())
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "CURATE_VLLM": command}.items():
            patch.setenv(name, value)
        patch.setattr("curate.engines.vllm._LINGER_S", 0.5)  # nothing is left soon after the tests
        engine = VllmEngine(spec, None, folder / "out")
        try:
            url = engine.start()[0].url
            yield Vllm(spec, folder / "out", engine.model, engine.revision, url)
        finally:
            engine.close()
