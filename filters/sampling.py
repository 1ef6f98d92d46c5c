"""How models are asked when they are evaluated: which, and with which settings, by name."""

from dataclasses import dataclass
from math import isfinite

from curate.errors import UsageError


@dataclass(frozen=True)
class Sampling:
    """What `Generate` takes by these names; `max_tokens` None is the engine's own default."""

    temperature: float
    top_p: float
    max_tokens: int | None


R1 = Sampling(temperature=0.6, top_p=0.95, max_tokens=32_768)
"""DeepSeek-R1's evaluations (v1, section 3), as its README recommends it for use."""

GREEDY = Sampling(temperature=0.0, top_p=1.0, max_tokens=32_768)
"""The likeliest answer: for comparisons with others' figures. Long chains of thought repeat
themselves more (DeepSeek-R1, v1, section 3).
"""

NAMED = {"r1": R1, "greedy": GREEDY}


def sampling_named(text: str, engine: str = "") -> Sampling:
    """The settings of a name, or of `temperature=0.7,top_p=0.9,max_tokens=4096`; what is not said
    is R1's. The embedded model has a context of its own, so by name its limit is `Generate`'s.

    >>> sampling_named("temperature=1")
    Sampling(temperature=1.0, top_p=0.95, max_tokens=32768)
    """
    if text in NAMED:
        found = NAMED[text]
        return Sampling(found.temperature, found.top_p, None) if engine == "local" else found
    pairs = [part.partition("=") for part in text.split(",")]
    known = vars(R1)
    if odd := [name for name, _, value in pairs if name not in known or not is_number(value)]:
        raise UsageError(
            f"sampling={text}: '{odd[0]}' is none of {', '.join(NAMED)} and no setting; "
            "those are written as temperature=0.6,top_p=0.95,max_tokens=32768"
        )
    said = {name: float(value) for name, _, value in pairs}
    if said.get("temperature", 0) < 0 or not 0 < said.get("top_p", 1) <= 1:
        raise UsageError(f"sampling={text}: temperature is at least 0, top_p above 0 and at most 1")
    if said.get("max_tokens", 1) < 1 or said.get("max_tokens", 1) % 1:
        raise UsageError(f"sampling={text}: max_tokens is a whole number, at least 1")
    limit = {"max_tokens": int(said["max_tokens"])} if "max_tokens" in said else {}
    return Sampling(**{**known, **said, **limit})


def is_number(text: str) -> bool:
    """True for what `float` reads and is finite."""
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def models_of(engine: str, model: str | None) -> list[tuple[str, str | None]]:
    """Engines and models in pairs: one engine serves all models, or each has its own.

    >>> models_of("http://a/v1", "base,tuned")
    [('http://a/v1', 'base'), ('http://a/v1', 'tuned')]
    >>> models_of("http://a/v1;http://b/v1", None)
    [('http://a/v1', None), ('http://b/v1', None)]
    """
    engines = [part.strip() for part in engine.split(";")]
    names = [part.strip() for part in model.split(",")] if model else [None]
    most = max(len(engines), len(names))
    if {len(engines), len(names)} - {1, most}:
        raise UsageError(
            f"engine={engine} and model={model} are {len(engines)} engines and {len(names)} models;"
            " give one of either, or as many of both"
        )
    return list(zip(engines * (most // len(engines)), names * (most // len(names)), strict=True))
