"""The serving planner against published parameter counts, vLLM's logs and known deployments."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from curate.cli import DONE, main
from curate.engines.capacity import (
    ALLOWANCE_GIB,
    ALLOWANCE_SHARE,
    GPUS,
    Cluster,
    Need,
    layouts,
    plan_serving,
    read_gpus,
    serve_command,
)
from curate.engines.model_size import GIB, KNOWN, find_model, read_config
from curate.errors import UsageError

ROOT = Path(__file__).parents[2]
QWEN3_30B_A3B = {
    **{"num_hidden_layers": 48, "hidden_size": 2048, "num_attention_heads": 32, "head_dim": 128},
    **{"num_key_value_heads": 4, "intermediate_size": 6144, "vocab_size": 151936},
    **{"num_experts": 128, "moe_intermediate_size": 768, "mlp_only_layers": []},
}
MIXTRAL = {
    **{"num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32},
    **{"num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 32000},
    **{"num_local_experts": 8},
}
V2_LITE = {
    **{"num_hidden_layers": 27, "hidden_size": 2048, "num_attention_heads": 16},
    **{"num_key_value_heads": 16, "intermediate_size": 10944, "vocab_size": 102400},
    **{"kv_lora_rank": 512, "q_lora_rank": None, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64},
    **{"v_head_dim": 128, "n_routed_experts": 64, "n_shared_experts": 2},
    **{"moe_intermediate_size": 1408, "first_k_dense_replace": 1},
}


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("DeepSeek-R1", 671.0),
        ("DeepSeek-R1-Distill-Qwen-1.5B", 1.78),
        ("DeepSeek-R1-Distill-Qwen-7B", 7.62),
        ("DeepSeek-R1-Distill-Qwen-14B", 14.8),
        ("DeepSeek-R1-Distill-Qwen-32B", 32.8),
        ("DeepSeek-R1-Distill-Llama-8B", 8.03),
        ("DeepSeek-R1-Distill-Llama-70B", 70.6),
        ("Qwen2.5-1.5B-Instruct", 1.54),
        ("Qwen2.5-72B", 72.7),
        ("QwQ-32B", 32.8),
        ("qwen3-8b", 8.19),
        ("Qwen/Qwen3-32B", 32.8),
        ("llama-3.3-70b", 70.6),
    ],
)
def test_parameters_are_those_of_the_model_card(name: str, billions: float) -> None:
    assert find_model(name).parameters / 1e9 == pytest.approx(billions, rel=0.003)


@pytest.mark.parametrize(
    ("config", "billions"),
    [
        pytest.param(QWEN3_30B_A3B, 30.5, id="experts everywhere"),
        pytest.param(MIXTRAL, 46.7, id="experts as wide as a dense layer"),
        pytest.param(V2_LITE, 15.7, id="latent attention without a query latent"),
        pytest.param({"model_type": "x", "text_config": MIXTRAL}, 46.7, id="text part"),
    ],
)
def test_a_config_is_read_as_the_hub_has_it(config: dict[str, Any], billions: float) -> None:
    assert read_config(config, "it").parameters / 1e9 == pytest.approx(billions, rel=0.003)


@pytest.mark.parametrize(
    ("said", "gib"),
    [
        pytest.param({}, 15.0, id="bfloat16 where nothing is said"),
        pytest.param({"torch_dtype": "float32"}, 28.0, id="float32"),
        pytest.param({"quantization_config": {"quant_method": "fp8"}}, 8.5, id="fp8"),
        pytest.param({"quantization_config": {"quant_method": "awq", "bits": 4}}, 5.4, id="awq"),
        pytest.param(
            {
                "quantization_config": {
                    "quant_method": "compressed-tensors",
                    "config_groups": {"group_0": {"weights": {"num_bits": 8}}},
                }
            },
            8.5,
            id="compressed-tensors",
        ),
    ],
)
def test_weights_by_their_type(said: dict[str, Any], gib: float) -> None:
    """Linear layers by their type; embedding and head of Llama 8B, 2.0 GiB, stay at 16 bits."""
    config = {**KNOWN["meta-llama/Llama-3.1-8B-Instruct"], **said}
    assert read_config(config, "it").weight_bytes / GIB == pytest.approx(gib, rel=0.02)


def only(name: str, gpus: str, tensor: int, pipeline: int = 1, need: Need = Need()) -> Any:  # noqa: B008
    found = layouts(find_model(name), read_gpus(gpus), need)
    return next(p for p in found if (p.tensor_parallel, p.pipeline_parallel) == (tensor, pipeline))


@pytest.mark.parametrize(
    ("name", "gpus", "tensor", "pipeline", "gib"),
    [
        pytest.param("Llama-3.1-8B", "8xH100", 1, 1, 14.96, id="vllm pull request 10511"),
        pytest.param("Llama-3.1-8B", "8xH100", 2, 1, 7.48, id="vllm pull request 10511, two"),
        pytest.param("DeepSeek-R1-Distill-Qwen-14B", "2xRTX4090", 2, 1, 13.95, id="issue 13061"),
        pytest.param("DeepSeek-R1", "16xH200", 8, 2, 39.66, id="vllm issue 13074"),
    ],
)
def test_weights_on_a_gpu_are_what_vllm_logs(
    name: str, gpus: str, tensor: int, pipeline: int, gib: float
) -> None:
    assert only(name, gpus, tensor, pipeline).weight_gib == pytest.approx(gib, rel=0.02)


OPEN_R1 = Need(context=16_384, mean_tokens=6_000, gpu_memory=0.85, mla=False)
"""How Open-R1 served R1 at first (its generate.slurm; vLLM before 0.7.1 had no MLA)."""


@pytest.mark.parametrize(("gpus", "pipeline", "known"), [("16xH100", 2, 8), ("32xH100", 4, 32)])
def test_open_r1_on_two_and_four_nodes(gpus: str, pipeline: int, known: int) -> None:
    plan = plan_serving(find_model("DeepSeek-R1"), read_gpus(gpus), OPEN_R1)
    assert (plan.tensor_parallel, plan.pipeline_parallel, plan.replicas) == (8, pipeline, 1)
    assert 1 / 1.3 < plan.requests / known < 1.3


@pytest.mark.parametrize(("mla", "known"), [(False, 54_560), (True, 512_000)])
def test_tokens_of_r1_on_8_h200(mla: bool, known: int) -> None:
    """With vLLM 0.7.0 and 0.7.1 (Neural Magic, 4 February 2025)."""
    plan = plan_serving(find_model("DeepSeek-R1"), read_gpus("8xH200"), Need(mla=mla))
    assert 1 / 1.3 < plan.kv_tokens / known < 1.3


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("gpus", ["1xH100", "8xH100", "4x8xH100", "8xA100-40G", "2x4xL40S"])
def test_a_plan_fits_its_gpus(name: str, gpus: str) -> None:
    model, cluster = find_model(name), read_gpus(gpus)
    try:
        plan = plan_serving(model, cluster, Need())
    except UsageError as error:
        assert "does not fit" in str(error)
        assert model.weight_bytes / GIB > 0.5 * cluster.gpus * GPUS[cluster.gpu]
        return
    kv_gib = plan.kv_tokens * plan.kv_bytes_per_token / GIB
    memory = GPUS[cluster.gpu]
    taken = plan.weight_gib + kv_gib + ALLOWANCE_GIB + ALLOWANCE_SHARE * memory
    assert taken == pytest.approx(0.9 * memory, rel=1e-4)
    assert plan.gpus <= cluster.gpus
    assert model.heads % plan.tensor_parallel == 0
    assert plan.tensor_parallel <= cluster.per_node
    assert plan.full_requests >= 1


def test_a_layout_is_no_larger_than_it_must_be() -> None:
    plan = plan_serving(find_model("Qwen2.5-7B"), read_gpus("8xH100"), Need())
    assert (plan.tensor_parallel, plan.replicas) == (1, 8)
    longer = plan_serving(find_model("Qwen2.5-7B"), read_gpus("8xH100"), Need(mean_tokens=32_768))
    assert longer.tensor_parallel > 1  # 29 requests of that length are less than enough


def test_twice_the_need_holds_half_the_requests() -> None:
    model, cluster, need = find_model("QwQ-32B"), read_gpus("8xH100"), Need(mean_tokens=3_000)
    plan = plan_serving(model, cluster, need)
    twice = plan_serving(model, cluster, replace(need, mean_tokens=6_000))
    eight = plan_serving(model, cluster, replace(need, kv_bytes=1))
    assert plan.tensor_parallel == twice.tensor_parallel == eight.tensor_parallel
    assert plan.requests // 2 == twice.requests
    assert eight.kv_tokens == pytest.approx(2 * plan.kv_tokens, abs=2)


@pytest.mark.parametrize(
    ("gpus", "tensor", "left"),
    [
        pytest.param(6, 4, 2, id="64 heads are not divided by 3 or 6"),
        pytest.param(7, 4, 3, id="nor by 7"),
        pytest.param(8, 4, 0, id="two replicas"),
    ],
)
def test_heads_decide_how_many_gpus_of_a_node_share_a_model(
    gpus: int, tensor: int, left: int
) -> None:
    plan = plan_serving(find_model("Qwen2.5-72B"), Cluster(1, gpus, "H100"), Need())
    assert plan.tensor_parallel == tensor
    assert gpus - plan.gpus == left


def test_the_command_says_what_was_planned() -> None:
    model, need = find_model("DeepSeek-R1"), replace(OPEN_R1, kv_bytes=1)
    plan = plan_serving(model, read_gpus("4x8xH100"), need)
    words = serve_command(model, plan, need)
    assert words.startswith("VLLM_MLA_DISABLE=1 vllm serve deepseek-ai/DeepSeek-R1 ")
    options = dict(re.findall(r"--(\S+) (\S+)", words))
    assert options["tensor-parallel-size"] == str(plan.tensor_parallel)
    assert options["max-model-len"] == "16384"
    assert options["max-num-seqs"] == str(plan.requests)
    assert options["gpu-memory-utilization"] == "0.85"
    assert options["kv-cache-dtype"] == "fp8"


@pytest.mark.parametrize(
    ("text", "cluster"),
    [
        ("H100", Cluster(1, 1, "H100")),
        ("4xh100", Cluster(1, 4, "H100")),
        ("16xH100", Cluster(2, 8, "H100")),
        ("3x4xA100-40g", Cluster(3, 4, "A100-40G")),
    ],
)
def test_gpus_as_they_are_typed(text: str, cluster: Cluster) -> None:
    assert read_gpus(text) == cluster


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("8xH10", "did you mean H100"),
        ("8xTPU", "there is: H100, H200"),
        ("0xH100", "say how many and which"),
        ("8", "say how many and which"),
        ("12xH100", "as in 2x4xH100"),
    ],
)
def test_wrong_gpus(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_gpus(text)


def test_wrong_models(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"did you mean deepseek-ai/DeepSeek-R1\?"):
        find_model("DeepSeek-R2")
    with pytest.raises(UsageError, match="give the path of its config"):
        find_model("me/nothing-like-it")
    file = tmp_path / "config.json"
    for text, says in [
        ("{", "is not JSON"),
        ("[]", "holds no object"),
        (json.dumps({**MIXTRAL, "hidden_size": "wide"}), "hidden_size is 'wide'"),
        (json.dumps({"num_hidden_layers": 3}), "it has no num_attention_heads"),
        (json.dumps({**MIXTRAL, "quantization_config": {"quant_method": "new"}}), "'new'"),
    ]:
        file.write_text(text)
        with pytest.raises(UsageError, match=says):
            find_model(str(tmp_path))


def plan(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "curate.cli", "plan", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command_line_plans_a_config_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(QWEN3_30B_A3B))
    words = ("--serve", str(tmp_path), "--gpus", "2x8xH100", "--context", "16384")
    done = plan(*words, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["context"] == 16384
    assert said["requests"] == said["requests_per_replica"] * said["replicas"]
    text = plan(*words).stdout
    assert said["command"] in text
    assert "engine=http://NODE1:8000/v1,http://NODE2:8000/v1" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--serve", "QwQ-33B"], "did you mean Qwen/QwQ-32B?"),
        (["--serve", "QwQ-32B", "--context", "50000"], "goes to 40,960 tokens"),
        (["--serve", "DeepSeek-R1"], "does not fit 8 x H100"),
        (["--serve", "QwQ-32B", "--gpu-memory", "2"], "at most 1, not '2'"),
        (["--serve", "QwQ-32B", "pipelines/cold_start.py"], "takes no FILE"),
        ([], "say which pipeline"),
    ],
)
def test_wrong_words_are_one_line(words: list[str], says: str) -> None:
    done = plan(*words)
    assert done.returncode == 2
    assert says in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr


PAGE = (ROOT / "docs/planning.md").read_text("utf-8")


@pytest.mark.parametrize("line", re.findall(r"^curate (plan --serve .+)$", PAGE, re.MULTILINE))
def test_the_commands_of_the_page_work(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == DONE
    assert "vllm serve deepseek-ai/DeepSeek-R1" in capsys.readouterr().out


def test_the_table_of_the_page_says_what_is_computed() -> None:
    r1, h200 = find_model("DeepSeek-R1"), read_gpus("8xH200")
    for gpus in ("16xH100", "32xH100"):
        assert f"| {plan_serving(r1, read_gpus(gpus), OPEN_R1).requests} of 6,000 tokens |" in PAGE
    for mla in (True, False):
        assert f"| {plan_serving(r1, h200, Need(mla=mla)).kv_tokens:,} " in PAGE
    assert f"| {only('DeepSeek-R1', '16xH100', 8, 2).weight_gib:.2f} GiB |" in PAGE
