"""In which language is a text? Its script decides first, then three voices that are added up.

    identify("Wie viel ist drei plus vier?")        # Identified(language='de', probability=1.0)

Languages of one script are told apart by fastText's lid.176.ftz (Joulin et al. 2016, "Bag of
Tricks"; the model is CC-BY-SA 3.0 and fetched once, see `curate.assets`), by the n-gram profiles of
langdetect, and by the words and letters of `language_words.txt`. langdetect's own detector draws
n-grams by chance; here all of them count, so the same text has the same language every time.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from curate.assets import LID176, locate
from curate.scorers.mask import mask
from curate.scorers.scripts import Scripts, codes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]


class Identified(NamedTuple):
    """The language of a text by its ISO 639-1 code (639-3 where there is none), None of too little
    text; how sure that is; and how many letters spoke.
    """

    language: str | None
    probability: float
    letters: int


# Spellings of one code: of BCP 47, of older ISO lists, and of the models.
_SAME = {
    **{"iw": "he", "in": "id", "ji": "yi", "nb": "no", "fil": "tl", "cmn": "zh", "yue": "zh"},
    **{"wuu": "zh", "sh": "hr", "arb": "ar", "arz": "ar", "pes": "fa", "als": "de", "ekk": "et"},
}
GROUPS = (
    frozenset(("no", "nn")),  # two written forms of Norwegian
    frozenset(("hr", "bs", "sr")),  # one language by structure; Serbian in Latin letters
)
"""Languages that are not told from each other: one of a group is taken for the other."""


def code_of(tag: str) -> str:
    """The code of a language from its tag.

    >>> code_of("zh-CN"), code_of("pt_BR"), code_of("nb"), code_of("fil")
    ('zh', 'pt', 'no', 'tl')
    """
    code = re.split("[-_]", tag.strip().lower())[0]
    return _SAME.get(code, code)


def is_same(one: str, other: str) -> bool:
    """Whether two codes are one language here, that is equal or of one of `GROUPS`."""
    return one == other or any(one in group and other in group for group in GROUPS)


# Scripts that one language has (nearly) for itself. Han without kana is Chinese, unless it has
# characters in the form that only Japan gave them in 1946.
_ALONE = {
    **{"Kana": "ja", "Hangul": "ko", "Thai": "th", "Greek": "el", "Georgian": "ka"},
    **{"Armenian": "hy", "Tamil": "ta", "Telugu": "te", "Kannada": "kn", "Malayalam": "ml"},
    **{"Gujarati": "gu", "Gurmukhi": "pa", "Oriya": "or", "Sinhala": "si", "Khmer": "km"},
    **{"Myanmar": "my", "Lao": "lo", "Tibetan": "bo"},
}
_JAPANESE = re.compile(
    "[円図団広売駅気帰経続絵読対発変覚悪検囲応価拡観歓剣験権顕県鉱済剤斎雑児実釈渋縦焼乗浄畳縄"
    "壌嬢穂銭戦繊総騒増臓蔵帯択沢単遅庁聴鉄転伝徳弐悩脳拝廃髪抜払辺豊黙薬訳揺様頼覧猟齢歴労亜]"
)
_SHARED = {
    "Cyrillic": "ru uk bg be mk sr kk ky mn tg tt ba cv os ce sah tyv rue mhr mrj myv kv lez av krc"
    " bxr xal",
    "Arabic": "ar fa ur ps sd ckb ug pnb azb mzn lrc",
    "Devanagari": "hi mr ne mai sa bh new gom dty",
    "Bengali": "bn as bpy",
    "Hebrew": "he yi",
    "Ethiopic": "am ti",
}
_LISTED = frozenset(
    codes(
        "en zh ja ko ar fa he hi bn th el ru uk bg de fr es it pt nl pl cs sv fi tr vi id hu ro ka"
        " hy"
    )
)
_KNOWN = frozenset(
    codes(
        "da no ca sw ur sk hr sr sl et lv lt sq mk ms tl af gl az eu is ga cy be mr ne kk eo la bs"
        " mn uz"
    )
)
# Weights of the voices, from a grid on Tatoeba sentences, UDHR paragraphs and the labelled short
# texts (docs/verdicts-language.md); between half and twice each, accuracy changes by 0.2 %.
_WORD, _STRANGE, _NGRAM = 3.0, 3.0, 0.2
_MOST = 10.0  # n-grams are not independent: together they speak for at most this
_SILENT, _SILENTER = 2.0, 0.01  # what langdetect does not know is that much behind, and for each
# n-gram that much more
_RARE, _RAREST = 1.0, 4.0  # a language that is seldom asked for needs more evidence
_FLOOR = -12.0
_ENOUGH, _READ = 4000, 20_000
"""Characters of the beginning that words and n-grams look at, and that fastText does."""


def identify(text: str, *, min_letters: int = 10) -> Identified:
    """The language of a text: formulas and code are none, the script of most letters counts.

    Below `min_letters` nothing is identified; a character of Chinese, Japanese or Korean is 4.

    >>> identify("小明有三个苹果").language, identify("りんごが三つあります").language
    ('zh', 'ja')
    >>> identify("12 + 7 = 19")
    Identified(language=None, probability=0.0, letters=0)
    """
    shown = unicodedata.normalize("NFC", mask(text[:_READ]))
    counts = Counter[str]()
    for script, word in Scripts().feed(shown, is_whole=True):
        counts[script] += len(word)
    if counts["Kana"] and 10 * counts["Kana"] >= counts["Kana"] + counts["Han"]:
        counts["Kana"] += counts.pop("Han", 0)  # Japanese without kana is rare
    for script in ("Han", "Kana", "Hangul"):
        counts[script] *= 4
    script, letters = max(counts.items(), key=lambda pair: pair[1])
    if letters < max(min_letters, 1):
        return Identified(None, 0.0, letters)
    if script == "Han":
        return Identified("ja" if _JAPANESE.search(shown) else "zh", 1.0, letters)
    if script in _ALONE:
        return Identified(_ALONE[script], 1.0, letters)
    chances = _voices().chances(shown, script)
    language = max(chances, key=lambda code: chances[code])
    return Identified(_SAME.get(language, language), chances[language], letters)


def chances(text: str, script: str) -> dict[str, float]:
    """How probable each language of a script is for a text in that script; they sum to 1."""
    return _voices().chances(text, script)


def fast_chance(text: str, language: str) -> float:
    """How probable fastText alone holds a language: a tenth of the time of `chances`."""
    return _fasttext().get(text, language)


class _FastText:
    """The model of fastText, by the codes of its labels."""

    def __init__(self) -> None:
        import fasttext

        self._model: Any = fasttext.load_model(str(locate(LID176)))
        self.codes = [label.removeprefix("__label__") for label in self._model.get_labels()]

    def probabilities(self, text: str, most: int) -> dict[str, float]:
        """The `most` probable languages; case carries names and shouting, so it is dropped."""
        labels, values = self._model.predict(text.replace("\n", " ").lower(), k=most)
        return {
            label.removeprefix("__label__"): min(float(value), 1.0)
            for label, value in zip(labels, values, strict=True)
        }

    def get(self, text: str, language: str) -> float:
        """The probability of one language."""
        return self.probabilities(text, 3).get(language, 0.0)


@cache
def _fasttext() -> _FastText:
    return _FastText()


class _Lexicon(NamedTuple):
    """What `language_words.txt` says."""

    letters: dict[str, frozenset[str]]
    words: dict[str, list[str]]
    """For every word the languages that have it."""


@cache
def lexicon() -> _Lexicon:
    """The words and the letters of every language that has some listed."""
    letters, words = dict[str, frozenset[str]](), dict[str, list[str]]()
    file = Path(__file__).with_name("language_words.txt").read_text(encoding="utf-8")
    for line in file.splitlines():
        if line and not line.startswith("#"):
            code, own, listed = line.split("\t")
            if own != "-":
                letters[code] = frozenset(own)
            for word in listed.split():
                words.setdefault(word, []).append(code)
    return _Lexicon(letters, words)


class _Voices:
    """fastText, the n-grams of langdetect, and the listed words and letters."""

    def __init__(self) -> None:
        import numpy as np

        self._fasttext, self._lexicon = _fasttext(), lexicon()
        listed = {code for codes in self._lexicon.words.values() for code in codes}
        self.codes = sorted(listed | set(self._fasttext.codes))
        self._place = {code: place for place, code in enumerate(self.codes)}
        self._own = frozenset[str]().union(*self._lexicon.letters.values())
        self._prior = np.array([_prior(code) for code in self.codes])
        elsewhere = {"zh", "ja"}.union(_ALONE.values(), *map(str.split, _SHARED.values()))
        # Serbian is written in both scripts.
        latin = [code for code in self.codes if code not in elsewhere or code == "sr"]
        scripts = {"Latin": latin} | {k: v.split() for k, v in _SHARED.items()}
        self._codes_of = {
            script: [code for code in codes if code in self._place]
            for script, codes in scripts.items()
        }
        self._load_ngrams()

    def _load_ngrams(self) -> None:
        """The profiles of langdetect, as one array of log-probabilities."""
        import numpy as np
        from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

        factory = DetectorFactory()
        factory.load_profile(PROFILES_DIRECTORY)
        self._row = {gram: row for row, gram in enumerate(factory.word_lang_prob_map)}
        values = np.array(list(factory.word_lang_prob_map.values()), dtype=np.float32)
        # langdetect's own smoothing: alpha 0.5 over a base frequency of 10,000.
        self._ngrams = np.log(values + np.float32(0.5 / 10_000))
        known = [code for code in factory.langlist if code in self._place]
        self._columns = [factory.langlist.index(code) for code in known]
        self._places = [self._place[code] for code in known]

    def chances(self, text: str, script: str) -> dict[str, float]:
        """The probability of each language of the script."""
        import numpy as np

        codes = self._codes_of[script]
        scores = self._scores(text)[[self._place[code] for code in codes]]
        shares = np.exp(scores - scores.max())
        return dict(zip(codes, (shares / shares.sum()).tolist(), strict=True))

    def _scores(self, text: str) -> Scores:
        import numpy as np

        scores = np.full(len(self.codes), _FLOOR) - self._prior
        for code, chance in self._fasttext.probabilities(text, -1).items():
            scores[self._place[code]] += np.log(max(chance, 6e-6)) - _FLOOR
        words = _words(text[:_ENOUGH])
        return scores + self._by_words(words) + self._by_ngrams(words)

    def _by_words(self, words: list[str]) -> Scores:
        """Listed words speak for their languages, letters that a spelling lacks against it."""
        import numpy as np

        scores = np.zeros(len(self.codes))
        strange = Counter[str]()
        for word, count in Counter(words).items():
            for part in {word, *word.split("'")}:
                for code in self._lexicon.words.get(part, ()):
                    scores[self._place[code]] += _WORD * min(count, 2)
            if odd := self._own.intersection(word):
                strange.update(k for k, own in self._lexicon.letters.items() if not odd <= own)
        for code, count in strange.items():  # a few such words may be names
            scores[self._place[code]] -= _STRANGE * min(count, 3)
        return scores

    def _by_ngrams(self, words: list[str]) -> Scores:
        import numpy as np

        rows = [row for gram in _ngrams(words) if (row := self._row.get(gram)) is not None]
        scores = np.zeros(len(self.codes))
        if not rows:
            return scores
        silence = _SILENT + _SILENTER * len(rows)
        scores -= _MOST * (1 - np.exp(-silence / _MOST))
        sums = self._ngrams[rows].sum(axis=0, dtype=np.float64)[self._columns]
        behind = _NGRAM * (sums - sums.max())
        scores[self._places] = -_MOST * (1 - np.exp(behind / _MOST))
        return scores


@cache
def _voices() -> _Voices:
    return _Voices()


def _prior(code: str) -> float:
    return 0.0 if code in _LISTED else _RARE if code in _KNOWN else _RAREST


# The marks of Hebrew, Arabic and Indian scripts belong to words and are no letters to `re`; what
# may join two parts is an apostrophe or, in Persian, a mark of no width.
_MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0981-\u0983\u09bc-\u09cd"
)
_WORDS = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{_MARKS}]|['\u200c](?=[^\W\d_]))*")
# Vietnamese letters, Romanian commas and the Persian yeh have one spelling in the profiles.
_FOLDED = {
    **dict.fromkeys(range(0x1EA0, 0x1F00), 0x1EC3),
    **{0x219: 0x15F, 0x21B: 0x163, 0x6CC: 0x64A},
}
_LATIN_I = str.maketrans("iïy", "іїу")


def _words(text: str) -> list[str]:
    """The words of a text as they are listed: in small letters, with a plain apostrophe."""
    text = re.sub("[\u2019\u02bc\u02bb]", "'", text.lower().replace("i\u0307", "i"))
    return [_cyrillic(word) for word in _WORDS.findall(text)]


def _cyrillic(word: str) -> str:
    """A word of Cyrillic letters in which Latin ones that look alike were typed, set right."""
    mixed = not word.isascii() and any("\u0400" <= letter <= "\u04ff" for letter in word)
    return word.translate(_LATIN_I) if mixed else word


def _ngrams(words: list[str]) -> list[str]:
    """One to three letters of words with a space around each, as langdetect has them."""
    grams = list[str]()
    for word in words:
        spaced = f" {word.translate(_FOLDED)} "
        grams += spaced[1:-1]
        for size in (2, 3):
            grams += [spaced[i : i + size] for i in range(len(spaced) - size + 1)]
    return grams
