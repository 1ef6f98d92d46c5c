r"""Which characters and LaTeX commands say the same, and which say nothing: the tables of `tokens`.

What is here was collected from the LaTeX of MATH, NuminaMath and GSM8K problems: `\dfrac` for
`\frac`, `\cdot` for `*`, `\left` and `\,` for nothing.
"""

from __future__ import annotations

import unicodedata

import numpy as np
from numpy.typing import NDArray

UNSPACED_SCRIPTS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3),  # Hangul
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
"""First and last code points of scripts in which every character is a token."""

SPACED_BY_LATEX = "$~{}`"
"""Characters that set type or mark code, and are no tokens."""

SAME_CHARACTERS = dict(
    zip(
        "\u2212\u2013\u2014\u2010\u2011\u2012\u00d7\u22c5\u00b7\u2217\u2219\u00f7\u2044\u2215"
        "\u2018\u2019\u02bc\u2032\u00b4\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d"
        "\u2a7d\u2266\u2a7e\u2267\u3002\u3001\u2236\u2206\u00b5\u2223\u27f9\u2218",
        '------*****///\'\'\'\'\'"""""""\u2264\u2264\u2265\u2265.,:\u25b3\u03bc|\u21d2\u00b0',
        strict=True,
    )
)
"""One spelling of characters that are typed in several ways."""

_NOTHING = r"""
    \, \! \; \: \> \/ \- \[ \] \( \) \\ \$ ** *** **** \left \right \middle \big \Big \bigg \Bigg
    \bigl \bigr \Bigl \Bigr \biggl \biggr \Biggl \Biggr \quad \qquad \enspace \thinspace \hspace
    \vspace \hfill \displaystyle \textstyle \scriptstyle \limits \nolimits \mathrm \mathit \mathbf
    \mathsf \mathnormal \boldsymbol \bm \rm \bf \it \text \textrm \textit \textbf \textsf \texttt
    \textnormal \emph \mbox \hbox \operatorname \mathop \mathbin \mathrel \mathord \boxed \fbox
    \noindent \newline \par \medskip \smallskip \bigskip \indent \centering \underline \phantom
    \nonumber \notag \allowbreak \nobreak \small \large \Large \normalsize
"""
_SAME = r"""
    \frac \dfrac \tfrac \cfrac
    * \cdot \times \ast \cdotp
    / \div
    ≤ \leq \le \leqslant <=
    ≥ \geq \ge \geqslant >=
    ≠ \neq \ne
    < \lt
    > \gt
    - -- ---
    _ __ ___ ____ _____ ______ _______ ________
    = ==
    " ''
    … ... \ldots \dots \cdots \dotsc \dotsb \dotsm
    → \to \rightarrow \longrightarrow
    ⇒ => \implies \Rightarrow \Longrightarrow
    ⇔ <=> \iff \Leftrightarrow
    | \mid \vert \lvert \rvert \|
    : \colon
    % \%
    & \&
    # \#
    _ \_
    \{ \lbrace
    \} \rbrace
    [ \lbrack
    ] \rbrack
    ° \circ \degree
    ∞ \infty
    ± \pm
    ∓ \mp
    √ \sqrt
    △ \triangle \bigtriangleup
    ∠ \angle \measuredangle
    ⊥ \perp
    ∥ \parallel
    ≅ \cong
    ∼ \sim
    ≈ \approx
    ≡ \equiv
    ∈ \in
    ∉ \notin
    ⊂ \subset
    ⊆ \subseteq
    ∪ \cup
    ∩ \cap
    ∅ \emptyset \varnothing
    ∑ \sum
    ∏ \prod
    ∫ \int
    ⌊ \lfloor
    ⌋ \rfloor
    ⌈ \lceil
    ⌉ \rceil
    ⟨ \langle
    ⟩ \rangle
    ∀ \forall
    ∃ \exists
    \bar \overline
    \hat \widehat
    \tilde \widetilde
    \mathbb \Bbb
    mod \mod \bmod \pmod
    ε \epsilon \varepsilon
    φ \phi \varphi
"""  # noqa: RUF001
_GREEK = """
    alpha α beta β gamma γ delta δ zeta ζ eta η theta θ iota ι kappa κ lambda λ mu μ nu ν xi ξ pi π
    rho ρ sigma σ tau τ upsilon υ chi χ psi ψ omega ω
"""  # noqa: RUF001
FUNCTIONS = (
    *("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh"),
    *("tanh", "log", "ln", "lg", "exp", "max", "min", "sup", "inf", "lim", "gcd", "lcm", "det"),
    *("deg", "dim", "ker", "arg"),
)


def meanings() -> dict[str, str | None]:
    r"""What a token means: another token, or None for nothing.

    >>> meanings()[r"\tfrac"], meanings()[r"\left"], meanings()[r"\sin"]
    ('\\frac', None, 'sin')
    """
    found: dict[str, str | None] = dict.fromkeys((*_NOTHING.split(), "\\ ", "\\\n", "\\\t"))
    for line in _SAME.strip().splitlines():
        first, *others = line.split()
        found |= dict.fromkeys(others, first)
    greek = _GREEK.split()
    found |= {f"\\{n}": letter for n, letter in zip(greek[::2], greek[1::2], strict=True)}
    return found | {f"\\{name}": name for name in FUNCTIONS}


def table_of_characters() -> tuple[
    NDArray[np.uint32], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]
]:
    """For every code point: the character that it counts as, and whether it is of a word, a digit,
    or nothing to see.

    Case, full width and typographic variants (an italic `x` is `x`) are folded where the
    result is one character; superscripts are not, since 10² is not 102.
    """
    size = 0x110000
    folded = np.arange(size, dtype=np.uint32)
    letters, digits, spaces = (np.zeros(size, bool) for _ in range(3))
    unspaced = np.zeros(size, bool)
    for first, last in UNSPACED_SCRIPTS:
        unspaced[first : last + 1] = True
    unspaced[0xF900:0xFB00] = False  # compatibility Han is folded
    unspaced[0xD800:0xF900] = True  # surrogates and private use stand for themselves
    unspaced[0x20000:] = True
    for code in np.flatnonzero(~unspaced).tolist():
        character = chr(code)
        kind = unicodedata.category(character)
        if kind[0] == "L":
            letters[code] = True
        elif kind == "Nd":
            digits[code] = True
            folded[code] = ord("0") + unicodedata.decimal(character)
            continue
        elif kind[0] in "ZC":
            spaces[code] = True
            continue
        elif kind[0] == "M":
            letters[code] = True
            continue
        if code > 127 and not unicodedata.decomposition(character).startswith(("<super", "<sub")):
            character = unicodedata.normalize("NFKC", character)
        character = character.lower()
        if len(character) == 1:
            folded[code] = ord(character)
    return folded, letters, digits, spaces
