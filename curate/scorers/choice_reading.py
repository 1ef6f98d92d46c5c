"""What a text chooses: the labels in it, which of them are denied, and what it says of the others.

"It can't be A or D, so the answer is (B)."      chooses option 1, counted from 0
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from curate import text
from curate.scorers import choice_letters as words
from curate.scorers.answer_element import answer_element

TAIL = 20_000
"""An answer is looked for in the last characters."""
REACH = 160
"""So many characters after "the answer" the label has to come."""


@dataclass(frozen=True)
class Labels:
    """How a prompt's options are called: by letters or numbers, how many, and their texts."""

    numbered: bool
    size: int
    texts: tuple[str, ...] = ()
    own: str = ""
    several: bool = False

    def named(self, chosen: frozenset[int]) -> str:
        """The labels of some options, as a person writes them."""
        return ", ".join(str(n + 1) if self.numbered else words.LATIN[n] for n in sorted(chosen))

    def place(self, label: str) -> int | None:
        """Which option a label means, counted from 0."""
        if self.numbered:
            roman = label.upper()
            place = int(label) - 1 if label.isdecimal() else (*words.ROMAN, roman).index(roman)
        else:
            place = words.LATIN.find(label.upper()) if label.isascii() else -1
            place = words.places(self.own).get(label, -1) if place < 0 else place
        return place if 0 <= place < self.size else None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Finds labels: in brackets, or alone."""
        if self.numbered:
            return _NUMBERS
        last = words.LATIN[self.size - 1]
        return re.compile(_LETTERS.replace("@", last).replace("~", last.lower()))

    def by_text(self, said: str) -> int | None:
        """The option whose text this is."""
        said = squeeze(said)
        found = [n for n, option in enumerate(self.texts) if said and squeeze(option) == said]
        return found[0] if len(found) == 1 else None

    def within(self, said: str) -> int | None:
        """The only option whose text stands in this; one inside another's does not count."""
        for part in (said, _DENIED.sub(" ", said)):
            squeezed = f" {squeeze(part)} "
            options = [squeeze(option) for option in self.texts]
            found = {o for o in options if o and (f" {o} " in squeezed or _unspaced(o) in squeezed)}
            longest = {o for o in found if not any(o != other and o in other for other in found)}
            if len(longest) == 1:
                return options.index(longest.pop())
        return None


class _Token(NamedTuple):
    """A label in a text, and what joins it to the one before (None when nothing does)."""

    start: int
    end: int
    place: int
    joined: str | None


class Reading:
    """What a text chooses: `chosen` is a set of options counted from 0, or None."""

    def __init__(self, response: str, labels: Labels) -> None:
        self.response, self.labels = response, labels

    @property
    def chosen(self) -> frozenset[int] | None:
        if (element := answer_element(self.response)) is not None:
            inner = element[:TAIL]
            inner = (text.final_answer(inner) if r"\boxed" in inner else None) or inner
            return self._short(clean(inner)) or self._loose(clean(inner))
        if r"\boxed" in self.response and (inner := text.final_answer(self.response[-TAIL:])):
            found = self._short(clean(inner[:TAIL]))
            if found:
                return found
        said = clean(self.response[-TAIL:]).strip()
        return (self._short(said) if len(said) < 100 else None) or self._loose(said)

    def _short(self, said: str) -> frozenset[int] | None:
        """The choice of a text that is nothing else: labels only, or an option's text."""
        bare = said.strip(" \n\t.\"'")
        if re.fullmatch(r"[a-z][).:]?", bare) and not self.labels.numbered:
            bare = bare.upper()
        if not self.labels.numbered and _is_run(bare.replace(" ", "")):
            bare = ", ".join(bare.replace(" ", ""))
        tokens = self._tokens(bare)
        around = bare[: tokens[0].start] + bare[tokens[-1].end :] if tokens else bare
        if not re.search(r"\w", around) and all(t.joined is not None for t in tokens[1:]):
            return frozenset(token.place for token in tokens)
        place = self.labels.by_text(bare)
        return None if place is None else frozenset([place])

    def _loose(self, said: str) -> frozenset[int] | None:
        """The choice that a text states somewhere."""
        tokens = self._tokens(said)
        free = _free(said, tokens)
        for found in (
            self._stated(said, tokens, free),
            self._line(said, tokens, free),
            self._weak(said, tokens, free),
            self._last(said, tokens, free),
        ):
            if found:
                return found
        return None

    def _tokens(self, said: str) -> list[_Token]:
        """The labels in a text, in order."""
        tokens: list[_Token] = []
        for match in self.labels.pattern.finditer(said):
            label = match[match.lastgroup or 0]
            place = self.labels.place(label)
            if place is None or (match.lastgroup == "alone" and _WORD.match(said, match.start())):
                continue
            glue = said[tokens[-1].end : match.start()] if tokens else None
            is_joined = glue is not None and len(glue) < 20 and words.JOINED.fullmatch(glue)
            tokens.append(_Token(*match.span(), place, glue if is_joined else None))
        if self.labels.several and not self.labels.numbered:
            for run in filter(lambda run: _is_run(run.group()), _RUN.finditer(said)):
                tokens += [_Token(*run.span(), words.LATIN.index(letter), "") for letter in run[0]]
            tokens.sort()
        return tokens

    def _group(self, tokens: list[_Token], n: int, free: set[int]) -> frozenset[int] | None:
        """The labels that are given together with a free one; None for a list of all options."""
        end = n + 1
        while end < len(tokens) and tokens[end].joined is not None and end in free:
            end += 1
        places = frozenset(token.place for token in tokens[n:end])
        is_list = len(places) > 2 and len(places) >= min(self.labels.size, 4)
        return None if is_list and not self.labels.several else places

    def _around(self, tokens: list[_Token], n: int, free: set[int]) -> frozenset[int]:
        """The labels that are given together with one that may stand in their middle."""
        while tokens[n].joined is not None and n - 1 in free:
            n -= 1
        return self._group(tokens, n, free) or frozenset()

    def _stated(self, said: str, tokens: list[_Token], free: set[int]) -> frozenset[int] | None:
        """The last "the answer is C" or "C is correct"."""
        best: tuple[int, frozenset[int]] | None = None
        for match in reversed(list(words.SAYS.finditer(said))):
            if found := self._after(said, match.end(), tokens, free):
                best = found
                break
        right = (n for n in reversed(range(len(tokens))) if n in free)
        right = (n for n in right if words.IS_RIGHT.match(said, tokens[n].end))
        if self.labels.several and best is None:
            return (
                frozenset(place for n in right for place in self._around(tokens, n, free)) or None
            )
        if (n := next(right, None)) is not None and (best is None or tokens[n].start > best[0]):
            return self._around(tokens, n, free) or (best[1] if best else None)
        return best[1] if best else None

    def _after(
        self, said: str, start: int, tokens: list[_Token], free: set[int]
    ) -> tuple[int, frozenset[int]] | None:
        """What a sentence chooses after "the answer": the label next to it, an option, a label."""
        if line := _COLON.match(said, start):
            start = line.end()
        stop = _STOP.search(said, start, start + REACH)
        end = stop.start() if stop else start + REACH
        first = bisect_left(tokens, (start,))
        near = [n for n in range(first, len(tokens)) if tokens[n].start < end and n in free][:1]
        if (near and tokens[near[0]].start - start > 15) or not near:
            place = self.labels.within(said[start:end])
            if place is not None:
                return start, frozenset([place])
        group = self._group(tokens, near[0], free) if near else None
        return (tokens[near[0]].start, group) if group else None

    def _line(self, said: str, tokens: list[_Token], free: set[int]) -> frozenset[int] | None:
        """The label that the answer begins with, or that its last line is."""
        starts = {m.end() for m in _LINE.finditer(said)}
        begun = [n for n, token in enumerate(tokens) if token.start in starts]
        if not begun or (self.labels.numbered and len(begun) > 1):
            return None
        is_first = not said[: tokens[begun[0]].start].strip(" -*#>\n")
        free_ones = [n for n in begun if n in free]
        if self.labels.several and is_first:
            places = (self._group(tokens, n, free) or () for n in free_ones)
            listed = frozenset(place for group in places for place in group)
            return listed or None
        if free_ones and not said[tokens[begun[-1]].end :].strip(" .)\n"):
            return self._group(tokens, free_ones[-1], free)
        alone = len({tokens[n].place for n in begun}) == 1
        marked = {
            token.place
            for token in tokens
            if re.match(r"[(\[].[)\]]|.[).:]", said[token.start : token.start + 3])
        }
        is_list = len(marked) > 2
        is_answer = is_first and alone and free_ones and not (is_list or self.labels.numbered)
        return self._group(tokens, free_ones[0], free) if is_answer else None

    def _weak(self, said: str, tokens: list[_Token], free: set[int]) -> frozenset[int] | None:
        """The last "so it's C", "option C"."""
        for match in reversed(list(words.HINTS.finditer(said))):
            n = bisect_left(tokens, (match.end(),))
            is_near = n in free and tokens[n].start - match.end() <= 30
            if is_near and not _STOP.search(said, match.end(), tokens[n].start):
                return self._group(tokens, n, free)
        return None

    def _last(self, said: str, tokens: list[_Token], free: set[int]) -> frozenset[int] | None:
        """The only label of the last paragraph, or of the text; else the only option named."""
        paragraph = said.rstrip().rfind("\n\n") + 1
        states_other = words.SAYS.search(said)
        for start in () if states_other or self.labels.numbered else (paragraph, 0):
            places = {tokens[n].place for n in free if tokens[n].start >= start}
            if len(places) == 1:
                return frozenset(places)
        value = (text.final_answer(said) or "").rpartition("=")[2] if self.labels.texts else ""
        place = self.labels.by_text(value)
        place = self.labels.within(said[paragraph:]) if place is None else place
        return None if place is None else frozenset([place])


def _free(said: str, tokens: list[_Token]) -> set[int]:
    """Which labels are not denied: "not A or B" and "C is wrong" deny, "not A, C" denies A."""
    denied: set[int] = set()
    for match in words.DENIES.finditer(said):
        after = bisect_left(tokens, (match.end(),))
        if match.lastgroup == "next" and after < len(tokens):
            between = said[match.end() : tokens[after].start]
            if len(between) <= 25 and not _CLAUSE.search(between):
                denied.update(range(after, _chain(tokens, after)))
                continue
        before = after - 1
        while before >= 0 and tokens[before].end > match.start():
            before -= 1
        if before >= 0:
            between = said[tokens[before].end : match.start()]
            if len(between) <= 20 and not _CLAUSE.search(between):
                denied.add(before)
                listed = False  # "A, B and C are wrong" denies three, "A, B is wrong" denies B
                while glue := tokens[before].joined:
                    listed = listed or bool(glue.strip(" ,"))
                    if not listed:
                        break
                    before -= 1
                    denied.add(before)
    return set(range(len(tokens))) - denied


def _chain(tokens: list[_Token], start: int) -> int:
    """Where the labels end that "or", "and" or a slash joins to the first of them."""
    end = start + 1
    for n in range(start + 1, len(tokens)):
        if (glue := tokens[n].joined) is None:
            break
        if glue.strip(" ,"):
            end = n + 1
    return end


def _is_run(said: str) -> bool:
    """ACD: letters in the order of the alphabet."""
    return bool(_RUN.fullmatch(said)) and list(said) == sorted(set(said))


_STOP = re.compile(r"[!?\n]|\.(?=\s|$)")
_COLON = re.compile(r"[^\w\n]{0,5}\w{0,6}\s{0,2}:?[ \t]*\n\s{0,3}")
_CLAUSE = re.compile(r"[,.;:\n]|\b(?:but|sondern|sino|mais|ma|mas)\b|而是")
_DENIED = re.compile(
    rf"(?:{words.one_of(words.NOT_NEXT)})(?:(?!\b(?:but|sondern|sino|mais)\b)[^,.;:\n]){{0,40}}",
    re.IGNORECASE,
)
_LINE = re.compile(r"^[ \t]{0,8}(?:[-#>]{1,6}[ \t]{1,4})?", re.MULTILINE)

_NATIVE = "|".join(sorted({c for a in words.ALPHABETS for c in a}, key=len, reverse=True))
_MARK = r"\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff\u0e31-\u0e4e"
_LETTERS = (
    r"(?<![A-Za-z0-9_])[(\[{<]\s?(?P<inside>[A-@a-~])\s?[)\]}>]"
    r"|(?<![A-Za-z\u00c0-\u024f0-9_\-\\])(?<![A-Za-z]')(?P<alone>[A-@])"
    r"(?![A-Za-z\u00c0-\u024f0-9_]|['\u2019](?![dt][iu\u0131\u00fc]r)\w|-[A-Za-z]|\.[A-Za-z]|\s?[=^<])"
    r"|(?:(?<=[:=]\s)|(?<=[:=])|(?<=\bis )|(?<=option )|(?<=choice ))(?P<lower>[a-~])"
    r"(?=\s*(?:[.,;!?)\n]|$))"
    rf"|(?<![^\W\u4e00-\u9fff\u3040-\u309f])(?P<native>{_NATIVE})"
    rf"(?![{_MARK}]|[^\W\u4e00-\u9fff\u3040-\u309f])"
)
# A letter that is a word, before a word: "A cat", "I think", "E così", "O rato", "Y así".
_WORD = re.compile(
    r"[AEIOYaeio](?= +[a-z\u00df-\u024f]{2})(?! +(?:and|or|is|as|but|not|because|since|for|if|so|by"
    r"|which|with|while|when|rather|due|given|car|parce|perché|porque|pues|pois|weil|denn|da)\b)"
    rf"(?! +(?:{words.one_of(words.NOT_NEXT)}|(?:{words.AND})\b))"
)
_NUMBERS = re.compile(
    r"(?<![\w.,])[(\[{]?\s?(?P<alone>\d{1,2}|[IVX]{1,4}|(?<=[(\[{])[ivx]{1,4})\s?[)\]}]?"
    r"(?![A-Za-z_\d]|[.,]\d|\s?[-+*/^=<%])"
)
_RUN = re.compile(r"(?<![A-Za-z])[A-J]{2,10}(?![A-Za-z])")


_CLUTTER = re.compile(
    r"\\[()\[\],;! ]|\\(?:bf|rm|it)(?![a-z])|[*$`~\"\u201c\u201d\u200b\u200e\u200f]|__"
)


_PIECE = re.compile(
    rf"(?:(?<![\w)])[-+])?\d+(?:[.,/]\d+)*|(?:[^\W\d_]|[{_MARK}])+|[-+/^=<>≤≥≠±√%°]"
)


def squeeze(said: str) -> str:
    """Words, numbers and signs of a text in lower case, one space between them.

    >>> squeeze("The x-axis, at -1.5!"), squeeze("x<3") == squeeze("x > 3")
    ('the x - axis at -1.5', False)
    """
    return " ".join(_PIECE.findall(unicodedata.normalize("NFKC", said).casefold()))


def _unspaced(option: str) -> str:
    """An option that may stand between other letters; for the others a text that never occurs."""
    return option if re.search(r"[\u0e00-\u0e7f\u3040-\u9fff\uac00-\ud7af]", option) else "\0"


def clean(said: str) -> str:
    r"""A text without LaTeX, Markdown and typographic variants around its letters.

    >>> clean(r"**Answer**: $\text{(B)}$"), clean("③ Ⓒ")
    ('Answer: (B)', '3 C')
    """
    said = unicodedata.normalize("NFKC", said)
    said = re.sub(r"\\(?:text|math)\w{0,8}\s?\{([^{}]{0,400})\}", r"\1", said)
    said = re.sub(r"\\(?:boxed|fbox)\s?\{([^{}]{0,400})\}", r"\1", said)
    said = _CLUTTER.sub("", said)
    return said.replace("。", ". ").replace("、", ", ").replace("\u2019", "'")
