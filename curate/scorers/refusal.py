"""Does the model decline to answer?"""

from __future__ import annotations

import re
from dataclasses import dataclass

from curate.sample import Sample, Verdict
from curate.scorers.new_sentences import Sentencewise, sentences_from
from curate.scorers.scorer import Scorer, Watching
from curate.text import CLOSE, OPEN

_LOOKED_AT = 3
"""Sentences of a response in which it declines: "I'm sorry. I know that … . I can't help …"."""


@dataclass(frozen=True)
class Refusal(Scorer):
    """1.0 when the model answers, 0.0 when its response begins with a refusal; never None.

    One of its first three sentences is a refusal ("I'm sorry, but I can't help with that", "As an
    AI, I cannot …", "我无法回答…"); one that is quoted, told in a story or weighed in the
    reasoning is none. The response is what follows `</think>` or, without tags, the whole text.
    Languages: en, zh; de, fr, es, pt, it, ru, ja, ko in short.

    Measured: of 25,000 texts none is refused (solutions and problems of GSM8K, MATH and MBPP,
    self-instruct, self-cognition, 70 chains), of 36,000 Tatoeba sentences 4, which decline.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> Refusal().judge(prompt.with_completion("I cannot find a smaller number, so it is 7.")).score
    1.0
    >>> Refusal().judge(prompt.with_completion("<think>No.</think>I'm sorry, but I can't do that."))
    Verdict(score=0.0, reason="refuses: I'm sorry, but I can't do that.")
    """

    def judge(self, sample: Sample) -> Verdict:
        fault = _fault(sample.text)
        return Verdict(0.0, fault) if fault else Verdict(1.0)

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        return Sentencewise(_Response().fault) if at_least > 0 else None


def _fault(text: str) -> str | None:
    """How it refuses; sentences that are not looked at are not even cut out."""
    response, start = _Response(), 0
    while start < len(text):
        next_start = len(text)
        for sentence, end in sentences_from(text, start):
            if fault := response.fault(sentence):
                return fault
            if not response.is_looking:
                tag = _TAG.search(text, end)
                next_start = tag.start() if tag else len(text)
                break
        start = next_start
    return None


_TAG = re.compile(f"{OPEN}|{CLOSE}")


class _Response:
    """Looks at the first sentences of the whole and of what follows each closing tag.

    So a text that began with a refusal stays one, whatever tags follow.
    """

    def __init__(self) -> None:
        self._left = _LOOKED_AT

    @property
    def is_looking(self) -> bool:
        return self._left > 0

    def fault(self, sentence: str) -> str | None:
        if sentence in (OPEN, CLOSE):
            self._left = _LOOKED_AT if sentence == CLOSE else 0
        elif self._left and sentence.strip() and not sentence.startswith("<"):
            self._left -= 1
            if _REFUSES.match(sentence):
                return f"refuses: {sentence.strip()[:80]}"
        return None


_ADVERB = r"(?:really |very |so |truly |deeply |genuinely )?"
_SORRY = (
    rf"(?:(?:I['\u2019]?m|I am) {_ADVERB}(?:sorry|afraid)|sorry|(?:I|my) apolog\w+|unfortunately"
)
_SORRY += r"|regrettably)"
_CANNOT = (
    r"(?:can['\u2019]?t|cannot|can not|won['\u2019]?t(?: be able to)?|will not(?: be able to)?"
    r"|(?:am|['\u2019]m) (?:not (?:able|allowed|permitted|programmed|going|comfortable)(?: to)?"
    r"|unable to)|(?:do not|don['\u2019]t) feel comfortable)"
)
_HELP = (
    r"(?: \w+ly)? (?:help|assist|provid|fulfil|comply(?: with)?|answer|engag|creat|generat|writ"
    r"|support|shar|discuss|continu|giv|do (?:that|this|so|it)\b|participat|offer|produc|respond"
    r"|process|complet|brows|access|open|view|advis|encourag|endors|promot|tell you)"
)
_SOMETHING = (
    r"\w*(?: you(?: with)?)?(?: to| in)? (?:that|this|these|such|your|any|information|instruct\w+"
)
_SOMETHING += (
    r"|guidance|advice|assistance|content|explicit|harmful|the (?:internet|web|request))\b"
)
_ENGLISH = (
    rf"{_SORRY}[,.\u2014-]*(?: (?:but|that|and|as an AI[^,]{{0,60}},))* I ?{_CANNOT}{_HELP}",
    rf"{_SORRY}[,.\u2014-]*(?: (?:but|that|and))* (?:I|as an AI[^,]{{0,60}}, I)"
    r" (?:don['\u2019]t|do not) have (?:access|the ability|the capab)",
    rf"I ?{_CANNOT}{_HELP}{_SOMETHING}",
    rf"I ?{_CANNOT} do (?:that|this|so)\b",
    r"I (?:must|have to|need to) (?:respectfully |politely )?(?:decline|refuse)\b",
    rf'[^."]{{0,120}}\bI ?{_CANNOT} (?:help|assist)(?: you)? with (?:that|this|your|such|it)\b',
    rf"as an? (?:AI|(?:large )?language model)[^,.]{{0,60}},? (?:I|it is) ?(?:{_CANNOT}{_HELP}"
    r"|(?:don['\u2019]t|do not) have (?:access|the ability|the capab)|not (?:appropriate|ethical))",
    r"(?:that|this|your) (?:request|content|question)? ?[^.]{0,20}(?:goes against|violates?"
    r"|is against)(?: \w+){0,3} (?:guidelines|polic|programming|principles)",
)
_DO_ZH = (
    r"(?:回答|提供|帮助|协助|帮|满足|完成|生成|讨论|执行|处理|继续|支持|参与|给出|给到|访问|浏览"
    r"|回应|撰写|创作|编写|分享|透露|解答|遵从|作答|为您|为你|就)"
)
_CHINESE = (
    r"(?:我?(?:很|非常|十分|真的|深感)?(?:抱歉|对不起|不好意思|遗憾|歉意))[^。]{0,30}?"
    rf"(?:无法|不能|不可以|没办法|没有办法|不会|不便|拒绝)[^。,\uff0c]{{0,8}}{_DO_ZH}",
    rf"(?:我|这个问题我|此问题我)(?:无法|不能|没办法|不可以|不便|拒绝){_DO_ZH}"
    r"(?:您|你|这|该|此|有关|相关|任何|$|[。\uff0c,])",
    r"作为(?:一个|一名|一款)?(?:AI|人工智能|大?语言模型)[^。,\uff0c]{0,20}[,\uff0c]?"
    rf"我?(?:无法|不能|不会|没有能力)[^。,\uff0c]{{0,8}}{_DO_ZH}",
)
_ELSEWHERE = (
    r"(?:es tut mir (?:sehr )?leid|tut mir leid|entschuldigung|leider)[^.]{0,30}(?:kann|darf|werde)"
    r" (?:ich )?[^.]{0,80}(?:helfen|beantworten|unterstützen|bereitstellen|erfüllen|erstellen|tun)",
    r"(?:je suis (?:vraiment |sincèrement )?désolée?|désolée?|je m['\u2019]excuse)[^.]{0,20} je ne "
    r"(?:peux|suis|pourrai) pas [^.]{0,40}(?:aider|fournir|répondre|accéder|faire|assister|donner)",
    r"(?:lo siento|lo lamento|disculpa|perdón)[^.]{0,20} no (?:puedo|me es posible) [^.]{0,20}"
    r"(?:ayudar|proporcionar|responder|cumplir|hacer|asistir|ofrecer)",
    r"(?:desculpe|sinto muito|lamento)[^.]{0,20} não (?:posso|consigo) [^.]{0,20}"
    r"(?:ajudar|fornecer|responder|atender|fazer|oferecer)",
    r"(?:mi dispiace|spiacente|scusa)[^.]{0,20} non (?:posso|sono in grado di) [^.]{0,20}"
    r"(?:aiutar|fornire|risponder|soddisfar|far|assister)",
    r"(?:извините|простите|к сожалению|прошу прощения)[^.]{0,20} я не (?:могу|смогу|буду)"
    r" [^.]{0,20}(?:помо|предостав|ответи|выполни|созда|обсужд)",
    r"(?:申し訳|すみません|ごめんなさい|恐れ入ります)[^。]{0,60}(?:できません|できかねます|いたしかねます)",
    r"(?:죄송|미안)[^.]{0,60}(?:도와|제공|답변|답해|응할|수행|도움)[^.]{0,12}(?:수 없|어렵)",
)
_REFUSES = re.compile(
    r"(?:\W|hi\b|hello\b|您好|你好)*(?<![\"“'「『«])(?:"
    + "|".join((*_ENGLISH, *_CHINESE, *_ELSEWHERE))
    + ")",
    re.IGNORECASE,
)
