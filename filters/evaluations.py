"""What a model is evaluated on: benchmarks by name, how often R1 asked them, and others' figures.

Their rows are pinned in `benchmarks.toml`, where they are held out of every dataset.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from curate import Step
from curate.errors import UsageError
from curate.select import ByDomain
from curate.select.benchmarks import read_registry
from curate.select.options import Options
from curate.sources import Prompts, Samples
from filters.verifier import right_answer, solves_puzzle

SUMS = "reasoning-gym:chain_sum?min_terms=2&max_terms=3&min_digits=1&max_digits=1&seed=7"
"""With three terms too: of 6 sums of two the embedded model had all 24 answers right (measured)."""
DISTILLED = ("Qwen-1.5B", "Qwen-7B", "Qwen-14B", "Qwen-32B", "Llama-8B", "Llama-70B")


@dataclass(frozen=True)
class Benchmark:
    """Problems, and what is known of them."""

    title: str
    prompts: str
    """A file, a spec, or the name of a table in benchmarks.toml."""
    samples: int = 4
    """Answers to each problem; for what R1 does not name 4, as Open-R1 had on MATH-500 (README)."""
    domain: str | None = "math"
    """Of rows that do not say theirs; it chooses the rule and the template."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Our names of columns -> theirs."""
    wrong: tuple[str, ...] = ()
    """The columns with the wrong answers of a multiple choice."""
    by: tuple[str, ...] = ("domain",)
    """Columns by which pass@1 is told apart."""
    figures: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """pass@1 of R1's distilled models in the order of `DISTILLED`, in percent, by who measured."""

    def source(self, prompts: str | None = None, limit: int | None = None) -> list[Step]:
        """The steps that read its problems, or those of another file with the same columns."""
        spec = prompts or pinned_spec(self.prompts)
        if "reasoning-gym:" in spec:
            return [Prompts(spec, limit=limit, domain=self.domain)]
        rows = Samples(spec, limit=limit, domain=self.domain, columns=self.columns)
        return [rows, *([Options(self.wrong)] if self.wrong else [])]

    def reference(self, model: str) -> dict[str, float]:
        """Others' figures of a model, by who measured.

        >>> EVALUATIONS["aime24"].reference("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B")
        {'DeepSeek': 55.5}
        """
        name = model.partition("@")[0].rpartition("/")[2].partition("R1-Distill-")[2]
        place = DISTILLED.index(name) if name in DISTILLED else None
        return {} if place is None else {who: of[place] for who, of in self.figures.items()}


# Samples: DeepSeek-R1 v2, appendix D.1. DeepSeek's figures: the README of DeepSeek-R1; the others
# are lighteval's in Open-R1's first update and, later, in its README.
EVALUATIONS = {
    "math500": Benchmark(
        "MATH-500",
        "math-500",
        samples=16,
        by=("level", "subject"),
        figures={
            "DeepSeek": (83.9, 92.8, 93.9, 94.3, 89.1, 94.5),
            "Open-R1, update 1": (81.6, 91.8, 94.2, 95.0, 85.8, 93.4),
            "Open-R1, README": (83.1, 94.5, 94.1, 95.6, 88.6, 95.1),
        },
    ),
    "aime24": Benchmark(
        "AIME 2024",
        "aime-2024",
        samples=64,
        figures={"DeepSeek": (28.9, 55.5, 69.7, 72.6, 50.4, 70.0)},
    ),
    "aime25": Benchmark("AIME 2025", "aime-2025", samples=64),
    "gpqa": Benchmark(
        "GPQA Diamond",
        "gpqa-diamond",
        samples=64,
        domain="stem",
        columns={"problem": "Question", "answer": "Correct Answer", "source_id": "Record ID"},
        wrong=("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"),
        by=("High-level domain",),
        figures={"DeepSeek": (33.8, 49.1, 59.1, 62.1, 49.0, 65.2)},
    ),
    "gsm8k": Benchmark("GSM8K", "gsm8k"),
    "countdown": Benchmark("Countdown", "reasoning-gym:countdown?seed=7", domain="logic"),
    "reasoning_gym": Benchmark("Sums of one-digit numbers", SUMS),
}


def benchmark_named(text: str) -> Benchmark:
    """A benchmark by its name, or the problems of a file or spec under the name of its last part.

    >>> benchmark_named("hub:me/held-out@v1.0.0").title
    'held-out'
    """
    if text in EVALUATIONS:
        return EVALUATIONS[text]
    if not any(mark in text for mark in ":/."):
        near = get_close_matches(text, EVALUATIONS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there is: {', '.join(EVALUATIONS)}"
        raise UsageError(f"benchmark={text} is no benchmark, file or spec; {hint}")
    place = text.partition("?")[0].partition("@")[0]
    return Benchmark(place.rpartition("/")[2].partition(".")[0], text, domain=None)


def pinned_spec(text: str) -> str:
    """The Hub's rows of a benchmark of benchmarks.toml; other specs stay as they are.

    >>> pinned_spec("gsm8k")
    'hub:openai/gsm8k@740312add88f781978c0658806c59bc2815b9866?config=main&split=test'
    """
    pins = read_registry(Path(__file__).with_name("benchmarks.toml"))
    if text not in pins:
        return text
    pin = pins[text]
    chosen = {"config": pin.config, "split": pin.split}
    query = "&".join(f"{key}={value}" for key, value in chosen.items() if value)
    return f"hub:{pin.dataset}@{pin.revision}?{query}"


def grading(judge: str | None, judge_model: str | None, store: str) -> ByDomain:
    """Is it right? By the rule of the problem's domain; of other domains by whichever can tell."""
    rules = right_answer(judge, judge_model, store).rules
    return ByDomain(other=solves_puzzle, **rules)
