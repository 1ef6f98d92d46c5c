"""Does a problem rest on something that is not in it: a figure, a page, options, another text?"""

from __future__ import annotations

import re
from dataclasses import dataclass

from curate.sample import Sample
from curate.scorers.problem_rule import ProblemRule, parts
from curate.text import words


@dataclass(frozen=True)
class MissingFigure(ProblemRule):
    """1.0 when a problem can be understood without a picture, 0.0 when it rests on one.

    With `drawn`, a figure that the text itself draws (`[asy]`, TikZ, SVG) is there; without, a
    problem with such a drawing is refused too. An embedded picture never is there.

    >>> ask = "In the figure below, what is the area of triangle $ABC$?"
    >>> MissingFigure().judge(Sample(prompt_id="p", problem=ask))
    Verdict(score=0.0, reason='rests on a figure: In the figure')
    >>> MissingFigure().judge(Sample(prompt_id="p", problem="What is 3 + 4?")).score
    1.0
    """

    signs = (
        *("figure", "fig.", "diagram", "picture", "image", "illustrat", "drawing", "sketch"),
        *("photo", "graph", "chart", "plot", "map", "grid", "shown", "depicted", "drawn", "tikz"),
        *(
            "below",
            "above",
            "<img",
            "<image",
            "![",
            "[asy",
            "<asy",
            "<svg",
            "\\begin{",
            "[img",
            "图",
        ),
        *(".png", ".jp", ".svg", ".gif", ".bmp", ".webp", ".tif"),
    )
    drawn: bool = True

    def fault(self, problem: str, sample: Sample) -> str | None:
        if embedded := _EMBEDDED.search(problem):
            return f"has a picture: {embedded.group().strip()}"
        if sample.domain != "code" and (file := _PICTURE_FILE.search(problem)):
            return f"names a picture: {file.group()}"
        if drawing := _DRAWN.search(problem):
            return None if self.drawn else f"is drawn: {drawing.group()}"
        if not _TABLE.search(problem) and (found := _SHOWN.search(problem)):
            return f"rests on a figure: {found.group().strip()}"
        return None


_FIGURE = (
    r"(?:figures?|diagrams?|pictures?|images?|illustrations?|drawings?|sketch(?:es)?|photos?"
    r"|photographs?)"
)
_PLOT = rf"(?:{_FIGURE}|graphs?|charts?|plots?|histograms?|maps?|grids?|pictographs?)"
_SHAPE = (
    r"(?:triangle|square|rectangle|circle|polygon|shape|quadrilateral|trapezoid|parallelogram"
    r"|pentagon|hexagon|octagon|cube|solid|circuit|number line|spinner|region|net)"
)
_WHERE = r"(?:below|above|(?:at|to|on) (?:the )?(?:right|left)|here)"
_EMBEDDED = re.compile(
    r"!\[[^\]\n]{0,200}\]\(|<img\b|\\includegraphics"
    r"|<image>|\[(?:image|img|figure|diagram|picture|图片?)\b[^\]\n]{0,40}\]|data:image/",
    re.IGNORECASE,
)
_PICTURE_FILE = re.compile(r"[\w-]+\.(?:png|jpe?g|svg|gif|bmp|webp|tiff?)\b", re.IGNORECASE)
_TABLE = re.compile(
    r"\\begin\{(?:tabular|array|align\*?|[pbv]?matrix)\}|\|[^|\n]*\|[^|\n]*\||Row 1\b|\$\$\s*$"
)
_DRAWN = re.compile(r"\[asy\]|<asy>|\\begin\{(?:tikzpicture|asy|picture)\}|<svg\b", re.IGNORECASE)
_SHOWN = re.compile(
    r"\b(?:in|see|from|on|at|to|use|using|per) (?:the|this) (?:\w+ )?(?:figure|diagram)s?\b"
    rf"|\b(?:in|see|from) (?:the|this) {_FIGURE}(?=[,.?](?:\s|$)| (?:{_WHERE}|shown))"
    rf"|\bthe (?:[\w-]+ ){{0,3}}{_PLOT} (?:{_WHERE}|shown|pictured|illustrates|depicts"
    r"|shows\b(?!:))"
    rf"|\b(?:below|following|above|accompanying|adjacent) (?:(?!the\b|a\b)[\w-]+ )?{_PLOT}\b"
    rf"|\b(?<!\ba )(?:figure|fig\.|diagram) \d|\bpictured\b(?! (?:himself|herself|it))"
    rf"|\b(?:as|is|are) (?:shown|illustrated|depicted|drawn)(?: {_WHERE}| in (?:the|this) {_PLOT})"
    rf"|\b(?:as|are|is) (?:shown|illustrated|depicted)\b(?=[.,](?:\s|$)|$)"
    rf"|\bthe (?:[\w-]+ )?{_SHAPE} (?:shown|pictured|{_WHERE}(?=[.,?;]|$| is| has))"
    rf"|\((?:see|refer to)[^()]{{0,40}}\b{_FIGURE}[^()]{{0,40}}\)|\bare there in this {_FIGURE}"
    rf"|\bshown in (?:the )?{_PLOT}\b|\bshown (?:below|above|at (?:the )?right)(?=[.,](?:\s|$)|$)"
    r"|如(?:上|下|左|右)?图|(?:上|下|左|右)图|图中|图\s?\d|图所示|看图",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class LinkInProblem(ProblemRule):
    """1.0 when a problem has no link, 0.0 when it has one, whose page nobody can see.

    Addresses reserved for examples (example.com, localhost; RFC 2606) are data.

    >>> LinkInProblem().judge(Sample(prompt_id="p", problem="Summarise https://arxiv.org/a1."))
    Verdict(score=0.0, reason='has a link: https://arxiv.org/a1.')
    >>> LinkInProblem().judge(Sample(prompt_id="p", problem="Split 'http://example.com/a'.")).score
    1.0
    """

    signs = ("://", "www.", "<a ", "](")

    def fault(self, problem: str, sample: Sample) -> str | None:
        found = _LINK.search(problem)
        return f"has a link: {found.group()[:100]}" if found else None


_NOBODYS = (
    r"(?:www\.)?(?:[\w-]+\.)?(?:example\.(?:com|org|net)|localhost|127\.0\.0\.1"
    r"|[\w.-]+\.(?:test|invalid|example)\b)"
)
_LINK = re.compile(
    rf"\b(?:https?|ftp)://(?!{_NOBODYS})[\w\[][^\s\"'<>)\]}}]*"
    rf"|\bwww\.(?!example\.)[\w-]+\.[a-z]{{2,}}[^\s\"'<>)\]}}]*"
    r"|<a href=|\]\((?:/|#|\.\.?/)[^)\s]*\)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class MissingOptions(ProblemRule):
    """1.0 when a problem that asks for one of several options lists them, else 0.0.

    They may stand in the text (lettered, numbered, in lines, after a colon, with "or") or in a
    column `options` or `choices`. A problem that asks for none scores 1.0.

    >>> ask = "Which of the following is a prime number?"
    >>> MissingOptions().judge(Sample(prompt_id="p", problem=ask))
    Verdict(score=0.0, reason='lists no options: Which of the following')
    >>> MissingOptions().judge(Sample(prompt_id="p", problem=ask + " A. 4 B. 5")).score
    1.0
    """

    signs = ("of the", "the correct", "the best", "the right", "the most", "下列", "以下", "下面")

    def fault(self, problem: str, sample: Sample) -> str | None:
        asked = _CHOOSE.search(problem)
        if not asked or {"options", "choices"} & sample.checks.keys() or parts(problem)[0]:
            return None
        rest = problem[asked.end() :]
        if len(_ITEM.findall(rest)) > 1 or _INLINE.search(rest):
            return None
        before = problem[: asked.start()]
        if "following" not in asked.group().lower() and len(words(before)) > 3:
            return None
        return f"lists no options: {asked.group()}"


_CHOOSE = re.compile(
    r"\b(?:which|what)(?: one)? of (?:the following|these)\b|\bof the following, (?:which|what)\b"
    r"|\bone of the following\b"
    r"|\b(?:choose|select|pick) the (?:correct|best|right|most appropriate) "
    r"(?:option|answer|choice|alternative)s?\b|\ball of the above\b|\bnone of the above\b"
    r"|下列[^。?]{0,30}(?:的是|是\s*\(|正确|错误)|以下[^。?]{0,20}(?:的是|哪)|下面哪",
    re.IGNORECASE,
)
_ITEM = re.compile(
    r"(?:^|\n|[\s$({])(?:\\(?:text|textbf|mathrm)\{)?\(?[A-Ea-e1-5]\s?[).:、]|\n\s*[-*•]\s|\n\s*\S"
    r"|\\item\b|&",
)
_INLINE = re.compile(r"[:,;]\s*\S|\bor\b|、|还是|和|或")


@dataclass(frozen=True)
class MissingContext(ProblemRule):
    """1.0 when a problem stands for itself, 0.0 when it speaks of a text that is not there.

    Another problem ("the previous question", "part (a)") never is there; a passage, table or
    program is when the problem holds something of the kind: more lines, a quotation, code or at
    least 60 words.

    >>> ask = "According to the passage, why did the author leave Paris?"
    >>> MissingContext().judge(Sample(prompt_id="p", problem=ask))
    Verdict(score=0.0, reason='what it speaks of is not there: According to the passage')
    >>> MissingContext().judge(Sample(prompt_id="p", problem="What is 3 + 4?")).score
    1.0
    """

    signs = (
        *("above", "below", "following", "preceding", "previous", "part", "on page", "passage"),
        *(
            "according to",
            "based on",
            "read",
            "refer to",
            " in ",
            "excerpt",
            "from the",
            "from this",
            "using",
            "repeat",
            "redo",
            "see ",
            "上",
            "前",
            "接",
            "根据",
            "阅读",
        ),
    )

    def fault(self, problem: str, sample: Sample) -> str | None:
        if other := _OTHER_PROBLEM.search(problem):
            return f"what it speaks of is not there: {other.group().strip()}"
        own = {part.lower() for part in _PART.findall(problem)}
        for part in _OF_A_PART.findall(problem):
            if part.lower() not in own:
                return f"what it speaks of is not there: part {part}"
        found = _OTHER_TEXT.search(problem)
        if not found or _MATERIAL.search(problem) or len(words(problem)) >= 60:
            return None
        return f"what it speaks of is not there: {found.group().strip()}"


_PROBLEM = r"(?:problem|question|exercise|task)"
_OTHER_PROBLEM = re.compile(
    rf"\b(?:previous|preceding|above) {_PROBLEM}\b"
    rf"|\b(?:{_PROBLEM}|example|theorem|lemma|equation) (?:\d+(?:\.\d+)?|\(\d+\))"
    r" (?:above|on page)"
    rf"|\b(?:as|like|same as) in (?:{_PROBLEM}|exercise|example|part) [\d(]"
    r"|(?:^|[.?]\s+)(?:repeat|redo|see|refer to|consider again) (?:problem|question|exercise) [\d(]"
    r"|上一?题|前一?题|同上题|接上题",
    re.IGNORECASE,
)
_PART = re.compile(r"(?<!part )(?<!parts )(?<!\w)\(([a-h])\)", re.IGNORECASE | re.MULTILINE)
_OF_A_PART = re.compile(
    r"\b(?:in|from|of|using|to) part \(?([a-h])\)?(?=[\s,.?)])(?! of\b)", re.IGNORECASE
)
_TEXT = (
    r"(?:passage|article|excerpt|paragraph|poem|conversation|dialogue|transcript|tables?|snippet"
    r"|code|program|stories|story|essay|e-?mail|review|document|text|list|sentences?)"
)
_OTHER_TEXT = re.compile(
    rf"\b(?:according to|based on|read|refer to) (?:the|this) (?:[\w-]+ )?{_TEXT}\b"
    r"|\b(?:the|this) (?:reading )?(?:passage|excerpt)\b|\b(?:from|using) (?:the|this) table\b"
    rf"|\b(?:above|following|preceding) (?:[\w-]+ )?{_TEXT}\b"
    rf"|\bthe (?:[\w-]+ )?{_TEXT} (?:above|below)\b"
    r"|根据(?:短文|文章|材料|上文|下表|上表)|阅读(?:下面|以下|下列)?(?:的)?(?:短文|文章|材料)",
    re.IGNORECASE,
)
_MATERIAL = re.compile(
    r"\n|:\s*\S|\"[^\"]{20,}|“[^”]{20,}|'[^']{20,}'|```|\$\$|\\\[|\\begin\{(?:tabular|array)|<\w+>|\|.*\|"
)
