"""Knights and knaves: does the answer give every inhabitant the right role?

    gold    (1) Zoey is a knight
            (2) Ethan is a knave
    answer  "Ethan is a knave and the other one is a knight."      # 1.0

The answer is read as claims: numbered and bulleted lists, sentences, tables, groups ("Knights: A
and B"), "the others", "everyone except". Each word that matters becomes one letter of a code, and a
few patterns over the code find who is called what.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

from curate import text
from curate.sample import Sample, Verdict
from curate.scorers.answer_element import answer_element
from curate.scorers.scorer import Scorer

TRUTHFUL = "knight pioneer saint hero angel altruist sage truth-teller truthteller"
LYING = "knave laggard sinner villain devil egoist fool liar lier"
"""The pairs that reasoning-gym 0.1 uses, and plain words for the two."""
MAX_PARAGRAPHS = 40
TAIL = 20_000
"""The conclusion stands at the end: so many paragraphs and characters are read backwards."""


@dataclass(frozen=True)
class KnightsKnaves(Scorer):
    """1.0 when everyone gets the role that gold gives, 0.0 when one does not, None without gold.

    Someone left out or called both is 0.0. What is supposed, quoted or asked ("if Zoey is a
    knight") is no claim.

    >>> prompt = Sample("p", "Who is what?", answer="(1) Zoey is a knight (2) Ethan is a knave")
    >>> KnightsKnaves().judge(prompt.with_completion("Only Zoey is a knight."))
    Verdict(score=1.0, reason='all 2 roles are right')
    >>> KnightsKnaves().judge(prompt.with_completion("Both are knights."))
    Verdict(score=0.0, reason='Ethan is called a knight')
    """

    needs_gold: ClassVar[bool] = True

    def judge(self, sample: Sample) -> Verdict:
        gold = _gold(sample.answer or "")
        if not gold:
            return Verdict(None, "the gold answer names no roles")
        names = tuple(gold)
        claims = _conclusion(sample.response, names)
        for name, truthful in gold.items():
            said = claims.get(name, set())
            if not said:
                return Verdict(0.0, f"nothing is said of {name[:40]}")
            if len(said) > 1:
                return Verdict(0.0, f"{name[:40]} is called both")
            if said != {truthful}:
                return Verdict(0.0, f"{name[:40]} is called a {'knave' if truthful else 'knight'}")
        return Verdict(1.0, f"all {len(gold)} roles are right")

    def gold_problem(self, prompt: Sample) -> str | None:
        return None if _gold(prompt.answer or "") else "the gold answer names no roles"


_TRUE, _FALSE = (
    "|".join(rf"{w}(?:'?e?s)?" for w in words.split()).replace("truth-", "truth[- ]")
    for words in (TRUTHFUL, LYING)
)
_GOLD = re.compile(
    rf"(?P<name>[^\W\d_][\w'\-]{{0,40}})\s+is\s+an?\s+(?:(?P<true>{_TRUE})|{_FALSE})\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def _gold(answer: str) -> dict[str, bool]:
    """Who is truthful; empty when no role can be read."""
    return {m["name"]: bool(m["true"]) for m in _GOLD.finditer(answer[:10_000])}


def _conclusion(response: str, names: tuple[str, ...]) -> dict[str, set[bool]]:
    """What the answer calls everyone: its marked part, else as few last paragraphs as tell all."""
    if (element := answer_element(response)) is not None:
        return _claims(element[-TAIL:], names)
    box = response.rfind(r"\boxed{")
    if box >= 0 and (end := text.braced(response, box + len(r"\boxed"))) > 0:
        claims = _claims(response[box + len(r"\boxed{") : end - 1][-TAIL:], names)
        if claims:
            return claims
    paragraphs = re.split(r"\n[ \t]*\n", response[-TAIL:])[-MAX_PARAGRAPHS:]
    claims: dict[str, set[bool]] = {}
    for n in range(1, len(paragraphs) + 1):
        claims = _claims("\n".join(paragraphs[-n:]), names)
        if len(claims) == len(names):
            break
    return claims


class _Word(NamedTuple):
    code: str
    value: int


_SUPPOSED = re.compile(
    r"\b(?:if|whether|suppos\w+|assum\w+|would|could|might|either|sa(?:id|ys?|ying)|claim\w*|"
    r"stat(?:es?|ed|ements?)|assert\w*|told|tells|remark\w*|declare\w*|implie[sd]|contradict\w*)\b"
    rf"|\?|\b(?:{_TRUE}|{_FALSE})\s{{0,3}}(?:/|\bor\b)",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    r"\n|;|(?<!\bMr)(?<!\bDr)[.!](?=\s|$)|(?<=\?)|\b(?:because|since|given that)\b", re.IGNORECASE
)
_PIECE = re.compile(r"(\||\s[-\u2013\u2014]\s|[()])")
_CLUTTER = re.compile(
    r"[*_`$\"\u201c\u201d\u2018{}]|\\(?:text\w*|math(?:rm|bf)|mbox|q?quad|[,;!])|'(?!s\b)"
)
_WORDS = (
    rf"(?P<true>\b(?:{_TRUE})\b)|(?P<false>\b(?:{_FALSE})\b)"
    r"|(?P<name>\bNAMES\b(?!['\u2019]s\b(?! (?:role|identity|type))))"
    r"|(?P<except>\b(?:except|but|besides|other than)\b(?=[ \w]{0,8}\bNAMES\b))"
    r"|(?P<rest>\b(?:every(?:one|body) else|(?:the|all)(?: the)? (?:others?|rest|remaining)|"
    r"remaining|others)\b)"
    r"|(?P<all>\b(?:all|every(?:one|body)|each|both)\b)|(?P<none>\b(?:none|no one|nobody)\b)"
    r"|(?P<not>\bnot\b|n['\u2019]?t\b|\bneither\b|\bcannot\b)|(?P<only>\bonly\b)"
    r"|(?P<respectively>\brespectively\b|\bin (?:that|this) order\b)"
    r"|(?P<is>\b(?:is|are|an?)\b|[:=|\uff1a→&(]|[-=]>|\s[-\u2013\u2014]\s)"
)
_CODES = {
    **{"true": "K", "false": "K", "name": "N", "except": "E", "rest": "R", "all": "A"},
    **{"none": "O", "not": "X", "only": "U", "respectively": "P", "is": "I"},
}


def _coded(part: str, names: tuple[str, ...]) -> list[_Word]:
    """The words of a text that matter, sentence by sentence, without what is only supposed."""
    part = _CLUTTER.sub("", part.replace(r"\\", "\n"))
    pattern, index = _pattern(names, any(name in part for name in names))
    coded = [_Word("B", 0)]
    for sentence in _SENTENCE.split(part):
        pieces = _PIECE.split(sentence)
        told = "".join(piece for piece in pieces if not _SUPPOSED.search(piece))
        if told and not _SUPPOSED.search(pieces[0]):
            for match in pattern.finditer(told):
                kind = match.lastgroup or ""
                name = index.get(match.group(), index.get(match.group().lower(), 0))
                coded.append(_Word(_CODES[kind], name if kind == "name" else kind == "true"))
        coded.append(_Word("B", 0))
    return coded


@lru_cache(maxsize=4096)
def _pattern(names: tuple[str, ...], cased: bool) -> tuple[re.Pattern[str], dict[str, int]]:
    """What finds the words that matter; a text that names nobody with a capital may do so without.

    "Will" and "Grace" are names, "will" and "grace" are not.
    """
    either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    pattern = _WORDS.replace("NAMES", f"({'?-i:' if cased else '?:'}{either})")
    index = {name if cased else name.lower(): i for i, name in enumerate(names)}
    return re.compile(pattern, re.IGNORECASE), index


_CLAIM = re.compile(
    # A heading, then one name a line: "Knights:" / "- Zoey" / "- Ethan".
    r"(?<=B)I*(?P<heading>K)I*B(?P<listed>(?:I*NI*B)+)"
    # A row of names above a row of roles, and "Zoey and Ethan are knight and knave respectively".
    r"|(?<=B)I*(?P<row>(?:NI*){2,})B(?:I*B)*I*(?P<roles>(?:KI*){2,})(?=B)"
    r"|(?P<names>N{2,}+)I*(?P<each>(?:KI*){2,})P"
    # "Knights: Zoey, Ethan", "the only knight is Zoey", but not "…, Zoey is a knave".
    r"|(?P<only>U?)(?P<group>K)I*(?P<members>N+)(?!I+[AUX]*K)"
    # "Zoey and Ethan are not knights", "the others are knaves", "everyone except Zoey is a knave".
    r"|(?P<no>X?)(?P<just>U?)(?P<who>N++|R|[AO])(?P<save>(?:EN+)?)(?P<how>[AIUX]*)(?P<role>K)"
    r"(?P<but>(?:EN++(?!I*[AUX]*K))?)"
)


def _claims(part: str, names: tuple[str, ...]) -> dict[str, set[bool]]:
    """Who is called truthful (True) or lying (False), or both."""
    coded = _coded(part, names)
    code = "".join(word.code for word in coded)
    if not set(code) & set("NAOR"):
        roles = [bool(word.value) for word in coded if word.code == "K"]
        alone = len(re.findall(r"(?<=B)I*K(?=I*B)", code)) == len(roles) == len(names) > 1
        return {name: {role} for name, role in zip(names, roles, strict=True)} if alone else {}
    claims: dict[str, set[bool]] = {}
    rest: set[bool] = set()
    for match in _CLAIM.finditer(code):
        for who, truthful in _said(match, coded, len(names)):
            if who < 0:
                rest.add(truthful)
            else:
                claims.setdefault(names[who], set()).add(truthful)
    if rest:
        claims |= {name: rest for name in names if name not in claims}
    return claims


def _said(match: re.Match[str], coded: list[_Word], people: int) -> Iterator[tuple[int, bool]]:
    """The claims of one match: who (-1 for all that nothing is said of) is truthful."""

    def values(group: str, code: str) -> list[int]:
        words = coded[match.start(group) : match.end(group)]
        return [word.value for word in words if word.code == code]

    if match["heading"] or match["group"]:
        truthful = bool(values("heading" if match["heading"] else "group", "K")[0])
        for who in values("listed" if match["heading"] else "members", "N"):
            yield who, truthful
        if match["only"]:
            yield -1, not truthful
    elif match["row"] or match["names"]:
        one, other = ("row", "roles") if match["row"] else ("names", "each")
        called = values(other, "K")
        if len(values(one, "N")) == len(called):
            yield from ((n, bool(k)) for n, k in zip(values(one, "N"), called, strict=True))
    else:
        denied = (match["no"] + match["how"]).count("X") + (match["who"] == "O")
        truthful = bool(values("role", "K")[0]) ^ bool(denied % 2)
        spared = values("save", "N") + values("but", "N")
        if match["who"] in "AO":
            yield from ((who, truthful) for who in range(people) if who not in spared)
        elif match["who"] == "R":
            yield -1, truthful
        yield from ((who, not truthful) for who in spared)
        yield from ((who, truthful) for who in values("who", "N"))
        if match["just"] or "U" in match["how"]:
            yield -1, not truthful
