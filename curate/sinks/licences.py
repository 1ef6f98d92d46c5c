"""Whose terms a dataset is under: those of its prompts' sources and of the models that answered.

terms = terms_of(statistics, [{"model": "SmolLM2-135M-Instruct", "license": "Apache-2.0"}])
terms.kind, terms.head()            # 'attribution', {'license': 'other', …}
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from curate.sinks.statistics import Statistics

KINDS = (
    *("permissive", "attribution", "share-alike", "use-restricted"),
    *("non-commercial", "no-derivatives", "unknown"),
)
"""What a licence asks, the least first; of several the last one binds the whole."""
ASKS = {
    "permissive": "keep the notices",
    "attribution": "name the authors",
    "share-alike": "name the authors, and pass it on under the same terms",
    "use-restricted": "keep to the uses that its terms allow, and pass these terms on",
    "non-commercial": "no commercial use",
    "no-derivatives": "no changed versions may be passed on",
    "unknown": "nobody said what is allowed",
}

_CC = "https://creativecommons.org/licenses"
_SPDX = "https://spdx.org/licenses"


class Licence(NamedTuple):
    """A licence by the name that the Hub has for it."""

    slug: str
    kind: str
    url: str | None


def _table() -> dict[str, Licence]:
    """https://huggingface.co/docs/hub/repositories-licenses has the names."""
    found = {
        **{"cc0-1.0": ("permissive", "https://creativecommons.org/publicdomain/zero/1.0/")},
        **{"odc-by": ("attribution", f"{_SPDX}/ODC-By-1.0.html")},
        **{"odbl": ("share-alike", f"{_SPDX}/ODbL-1.0.html")},
        **{"openrail": ("use-restricted", "https://www.licenses.ai/")},
        **{"gemma": ("use-restricted", "https://ai.google.dev/gemma/terms")},
        **{"llama3": ("use-restricted", "https://www.llama.com/llama3/license/")},
        **{"llama3.1": ("use-restricted", "https://www.llama.com/llama3_1/license/")},
        **{"llama3.2": ("use-restricted", "https://www.llama.com/llama3_2/license/")},
        **{"llama3.3": ("use-restricted", "https://www.llama.com/llama3_3/license/")},
    }
    spdx = {
        **{"apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-2-clause": "BSD-2-Clause"},
        **{"bsd": "BSD-3-Clause", "bsd-3-clause": "BSD-3-Clause", "pddl": "PDDL-1.0"},
        **{"cdla-permissive-2.0": "CDLA-Permissive-2.0", "unlicense": "Unlicense"},
        **{"isc": "ISC", "zlib": "Zlib"},
    }
    found |= {slug: ("permissive", f"{_SPDX}/{name}.html") for slug, name in spdx.items()}
    for slug in ("gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0"):
        name = slug.upper() + ("" if slug == "mpl-2.0" else "-only")
        found[slug] = ("share-alike", f"{_SPDX}/{name}.html")
    commons = (
        ("by", "attribution", ("2.0", "2.5", "3.0", "4.0")),
        ("by-sa", "share-alike", ("3.0", "4.0")),
        ("by-nc", "non-commercial", ("2.0", "3.0", "4.0")),
        ("by-nc-sa", "non-commercial", ("2.0", "3.0", "4.0")),
        ("by-nd", "no-derivatives", ("4.0",)),
        ("by-nc-nd", "no-derivatives", ("3.0", "4.0")),
    )
    for parts, kind, versions in commons:
        for version in versions:
            found[f"cc-{parts}-{version}"] = (kind, f"{_CC}/{parts}/{version}/")
    return {slug: Licence(slug, kind, url) for slug, (kind, url) in found.items()}


LICENCES = _table()

# Licences known by the name of the model, as its card at https://huggingface.co/NAME states it. A
# model that is asked under another name, or is not here, is unknown unless its engine says.
FAMILIES = (
    (r"deepseek-ai/DeepSeek-R1(-Zero|-0528)?", "mit"),
    (r"Qwen/(QwQ-32B|Qwen3-[\w.-]+)", "apache-2.0"),
    (r"HuggingFaceTB/SmolLM[23]-[\w.-]+", "apache-2.0"),
    (r"meta-llama/(Meta-)?Llama-3-[\w.-]+", "llama3"),
    (r"meta-llama/(Meta-)?Llama-3\.1-[\w.-]+", "llama3.1"),
    (r"meta-llama/Llama-3\.2-[\w.-]+", "llama3.2"),
    (r"meta-llama/Llama-3\.3-[\w.-]+", "llama3.3"),
    (r"google/gemma-[123]-[\w.-]+", "gemma"),
)


def licence(name: str | None) -> Licence:
    """The licence that a row or an engine names, in whatever spelling.

    >>> licence("CC-BY-NC-4.0").kind, licence("MIT License").slug, licence("My own"), licence(None)
    ('non-commercial', 'mit', Licence(slug='other', kind='unknown', url=None), \
Licence(slug='unknown', kind='unknown', url=None))
    """
    if not (name or "").strip():
        return Licence("unknown", "unknown", None)
    slug = re.sub(r"[\s_]+", "-", (name or "").strip().lower()).removesuffix("-license")
    return LICENCES.get(slug, Licence("unknown" if slug == "unknown" else "other", "unknown", None))


def licence_of_model(model: str | None, engines: Sequence[Mapping[str, Any]]) -> str | None:
    """The licence of a model: what its engine said, else what its family is known for.

    >>> licence_of_model("Qwen/Qwen3-8B", []), licence_of_model("my-model", [{"model": "other"}])
    ('apache-2.0', None)
    """
    for engine in engines:
        if engine.get("license") and model == engine.get("model"):
            return engine["license"]
    return next((slug for name, slug in FAMILIES if re.fullmatch(name, model or "")), None)


@dataclass(frozen=True)
class Party:
    """Somebody whose terms a number of rows is under."""

    role: str
    name: str | None
    stated: str | None
    """The licence as they spell it; None for unknown."""
    rows: int

    @property
    def licence(self) -> Licence:
        return licence(self.stated)


@dataclass(frozen=True)
class Terms:
    """The terms of a dataset, of every party."""

    parties: tuple[Party, ...] = ()

    @property
    def kind(self) -> str:
        """What binds the whole: the most restrictive of all, the unknown above them."""
        kinds = [party.licence.kind for party in self.parties]
        return max(kinds, key=KINDS.index, default="unknown")

    @property
    def binding(self) -> list[Party]:
        """The parties whose terms bind the whole."""
        return [party for party in self.parties if party.licence.kind == self.kind]

    @property
    def is_free(self) -> bool:
        """Whether nobody has to be asked: no restriction of use, and nothing unknown."""
        return KINDS.index(self.kind) < KINDS.index("use-restricted")

    @property
    def asks(self) -> str:
        return ASKS[self.kind]

    def head(self) -> dict[str, str]:
        """The card's fields: the licence where all have one, else `other` with what binds."""
        slugs = {party.licence.slug for party in self.parties} or {"unknown"}
        if len(slugs) == 1 and slugs != {"other"}:
            return {"license": slugs.pop()}
        names = {party.stated for party in self.parties}
        mixed = f"mixed-{self.kind}" if len(names) > 1 else "other"
        return {"license": "other", "license_name": mixed, "license_link": "LICENSE"}

    def text(self, name: str) -> str:
        """The file LICENSE: who states which licence, and what binds the whole."""
        lines = [
            f"The rows of {name} come from several parties, and are under the terms of each:",
            "the prompts under those of their sources, the answers also under those of the models",
            "that wrote them. The code that made them has its own licence.",
            "",
        ]
        for party in self.parties:
            of, said = party.licence, party.stated or "unknown: nobody stated a licence"
            lines += [
                f"{party.role}: {one_line(party.name or 'unknown')}",
                f"  licence: {one_line(said)} ({of.kind})",
                *([f"  text: {of.url}"] if of.url else []),
                f"  rows: {party.rows:,}",
                "",
            ]
        lines += [f"What binds the whole: {self.kind}. That is: {self.asks}.", "Because of:"]
        lines += [f"* {p.role} {one_line(p.name or 'unknown')}" for p in self.binding]
        return "\n".join(lines) + "\n"


def one_line(text: str) -> str:
    """The text on one line, without what cannot be printed."""
    return "".join(c for c in re.sub(r"\s+", " ", text) if c.isprintable())[:300]


def terms_of(statistics: Statistics, engines: Sequence[Mapping[str, Any]]) -> Terms:
    """The terms of a dataset's rows; of rows without answers those of the prompts alone."""
    sources: dict[tuple[str | None, str | None], int] = {}
    models: dict[tuple[str | None, str | None], int] = {}
    for (source, stated, model, _), rows in statistics.origins.items():
        sources[source, stated] = sources.get((source, stated), 0) + rows
        of_model = model, licence_of_model(model, engines)
        models[of_model] = models.get(of_model, 0) + rows
    if statistics.answers == 0:
        models = {}
    parties = [
        Party(role, *key, rows)
        for role, found in (("prompts of", sources), ("answers of", models))
        for key, rows in sorted(found.items(), key=lambda item: (-item[1], repr(item[0])))
    ]
    return Terms(tuple(parties))
