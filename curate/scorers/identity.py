"""Does the model call itself by another model's name? Distilled data teaches it its teacher's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from curate.sample import Sample, Verdict
from curate.scorers.new_sentences import Sentencewise, sentences
from curate.scorers.scorer import Scorer, Watching
from curate.scorers.substrings import Substrings


@dataclass(frozen=True)
class Identity(Scorer):
    """1.0 when the model nowhere says that it is a model of another maker, else 0.0; never None.

    A claim is in the first person ("I am ChatGPT", "developed by OpenAI, I", "我是通义千问"); what
    is said about a model, denied, supposed, asked or quoted is none. `model` and `maker` are its
    own names, several with a bar between (`model=Qwen|QwQ`). The unfilled `{{name}}` and
    `{{author}}` of LLaMA-Factory's self-cognition set count as others'. Claude, Gemini, Llama and
    the like are people and beasts as well and count only beside "model", "assistant", "AI" or the
    maker, or as the whole sentence. Languages: en, zh; de, fr, es, pt, it, ru, ja, ko in short.

    Measured: none of 65,000 texts without a leak is refused (GSM8K, MATH, self-instruct, IFEval,
    MBPP, CMATH, Tatoeba, 70 chains), all 85 self-cognition answers with another's name are.

    >>> prompt = Sample(prompt_id="p", problem="Who made ChatGPT?")
    >>> Identity().judge(prompt.with_completion("ChatGPT is a model made by OpenAI.")).score
    1.0
    >>> Identity().judge(prompt.with_completion("I am ChatGPT, and OpenAI made me."))
    Verdict(score=0.0, reason='says who it is: I am ChatGPT')
    """

    model: str = ""
    maker: str = ""

    def judge(self, sample: Sample) -> Verdict:
        lower = sample.text.lower()
        if "{{" not in lower and not _stems().which(lower):
            return Verdict(1.0)
        fault = next(filter(None, map(self._fault, sentences(sample.text))), None)
        return Verdict(0.0, fault) if fault else Verdict(1.0)

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        return Sentencewise(self._fault) if at_least > 0 else None

    def _fault(self, sentence: str) -> str | None:
        lower = sentence.lower()
        if not any(stem in lower for stem in _STEMS):
            return None
        own = _own(self.model, self.maker)
        for claim in _claims().finditer(_QUOTED.sub(" ", sentence)):
            before, after = claim.string[: claim.start()][-20:], claim.string[claim.end() :]
            is_own = own and own.search(claim.group())
            if not (is_own or _HEARSAY.search(before) or _ASKED.fullmatch(after)):
                return f"says who it is: {claim.group()[:80]}"
        return None


_STEMS = (
    *("gpt", "claude", "gemini", "bard", "llama", "qwen", "qwq", "千问", "通义", "deepseek"),
    *(
        "深度求索",
        "文心",
        "ernie",
        "kimi",
        "月之暗面",
        "moonshot",
        "豆包",
        "doubao",
        "讯飞",
        "iflytek",
    ),
    *(
        "混元",
        "hunyuan",
        "元宝",
        "百川",
        "baichuan",
        "minimax",
        "internlm",
        "书生",
        "vicuna",
        "gemma",
    ),
    *(
        "mistral",
        "mixtral",
        "grok",
        "copilot",
        "bing chat",
        "palm",
        "glm",
        "智谱",
        "zhipu",
        "openai",
    ),
    *(
        "open ai",
        "anthropic",
        "google",
        "谷歌",
        "deepmind",
        "meta",
        "facebook",
        "microsoft",
        "微软",
    ),
    *("alibaba", "阿里", "baidu", "百度", "bytedance", "字节", "xai", "tencent", "腾讯", "cohere"),
    *("nvidia", "alpaca", "phi-", "yi-", "零一万物", "01.ai", "{{"),
)
"""One of these is in every name below: looked for first, as most sentences have none."""
_NAMES = (
    r"Chat\s?GPT(?:-?\d\w*)?|GPT-?[345]\w*(?:[.-]\w+)*|Bing Chat|(?:Microsoft|GitHub) Copilot"
    r"|Google (?:Bard|Gemini|Assistant)|PaLM ?2|ChatGLM\S*|GLM-\d\S*|智谱清言|Qwen\S*|QwQ\S*"
    r"|(?:Tongyi )?Qianwen|通义千问|千问|通义|DeepSeek\S*|文心一言|文心|ERNIE Bot|豆包|Doubao"
    r"|讯飞星火|混元|Hunyuan|腾讯元宝|百川|Baichuan\S*|MiniMax\S*|InternLM\S*|书生|Vicuna"
    r"|Code ?Llama|Meta AI|Mixtral\S*|\{\{\s?name\s?\}\}"
)
_SHARED_NAMES = (
    r"Claude(?:[ -](?:\d\S*|Opus|Sonnet|Haiku|Instant))?|Gemini|Bard|Llama(?:[ -]?\d\S*)?|Gemma"
    r"|Mistral|Grok(?:-\d)?|Copilot|Kimi|Alpaca|Phi-\d\S*|Yi-\d\S*"
)
_MAKERS = (
    r"Open\s?AI|Anthropic|Google(?: DeepMind| AI| Brain)?|DeepMind|Meta(?: AI| Platforms)?|Facebook"
    r"|Microsoft|微软|谷歌|Alibaba(?: Cloud| Group)?|阿里(?:巴巴)?(?:云|集团)?|DeepSeek(?: AI)?"
    r"|深度求索|Baidu|百度|Moonshot(?: AI)?|月之暗面|ByteDance|字节(?:跳动)?|Mistral(?: AI)?|xAI"
    r"|Zhipu(?: AI)?|智谱(?:AI|华章)?|Tencent|腾讯|iFLYTEK|科大讯飞|01\.AI|零一万物|Cohere|NVIDIA"
    r"|MiniMax|\{\{\s?author\s?\}\}"
)
_KIND = r"(?:\b(?:AI|chat ?bot|model|assistant)\b|人工智能|模型|助手)"
_MADE = r"(?:developed|created|made|trained|built|designed|produced)"
_MADE_ELSEWHERE = (
    r"(?:(?:desarrollad|cread|entrenad|desenvolvid|criad|treinad|sviluppat|creat|addestrat)[oa]"
    r" (?:por|pela|da)|(?:développé|créé|conçu|entraîné)e? par|von|разработанная|созданная)"
)
_MADE_ZH = r"(?:开发|研发|训练|创造|创建|打造|推出|设计|制作|构建|提供|发明)"
_HEARSAY = re.compile(
    r"(?:\b(?:if|whether|suppose|imagine|pretend|thinks?|believes?|ask(?:s|ed|ing)?|sa(?:ys?|id)"
    r"|claims?|assumes?|thought|not|never)\W(?:that )?|如果|假如|是否|以为|认为|说|问|不)$",
    re.IGNORECASE,
)
"""Before a claim that is not the speaker's own."""
_ASKED = re.compile(r"[^,\uff0c]*[?\uff1f]\s*")
_QUOTED = re.compile(r'"[^"]*"|“[^”]*”|「[^」]*」|『[^』]*』|«[^»]*»')


@cache
def _stems() -> Substrings:
    return Substrings(stem for stem in _STEMS if stem != "{{")


@cache
def _own(model: str, maker: str) -> re.Pattern[str] | None:
    named = [re.escape(part) for part in f"{model}|{maker}".split("|") if part.strip()]
    return re.compile("|".join(named), re.IGNORECASE) if named else None


@cache
def _claims() -> re.Pattern[str]:
    return re.compile("|".join([*_english(), *_chinese(), *_elsewhere()]), re.IGNORECASE)


def _english() -> list[str]:
    i_am = r"(?:\bI(?: a|['\u2019]|a)m|\bmy name(?: is|['\u2019]s)|\bcall me|\brefer to me as)"
    called = r"(?:actually |really |just |called |named |known as |\*\*|an? (?:AI|virtual) \w+ )*"
    some = r"(?:(?!\bnot\b|\bnever\b|\bno\b|n['\u2019]t\b)[^;:])"
    by = r"(?:by|at|from)(?: \w+){0,3}?"
    end = r"(?=\W*$|['\u2019]s|[,.;(]| (?:and|to|in|as|based|which|with|for|that|on|using)\b)"
    return [
        rf"{i_am} {called}(?:{_NAMES})(?!['\u2019]s\b)",
        rf"{i_am} {called}(?:{_SHARED_NAMES})(?=\W[^.;]{{0,40}}(?:{_KIND}|{_MAKERS}))",
        rf"^(?:\W|hi|hello|hey|there)*{i_am} (?:{_SHARED_NAMES})\W*$",
        rf"\bas (?:{_NAMES}|(?:{_SHARED_NAMES}), an? [^.;]{{0,30}}{_KIND}),? (?:I|my)\b",
        rf"\bI(?: am|['\u2019]m| was|['\u2019]ve been| have been)\b{some}{{0,80}}?"
        rf"\b{_MADE}(?: and \w+)? {by} (?:{_MAKERS}){end}",
        rf"\bI(?: am|['\u2019]m) an? {some}{{0,30}}{_KIND} (?:by|from|of) (?:{_MAKERS}){end}",
        rf"\bas an? {some}{{0,40}}{_KIND}{some}{{0,20}}{_MADE} {by} (?:{_MAKERS}){end}",
        rf"\b(?:{_MAKERS}),? (?:which |who )?(?:has |have )?{_MADE} me\b",
        rf"\bmy (?:creator|developer|maker)s?(?: is| are|,) (?:{_MAKERS}){end}",
    ]


def _chinese() -> list[str]:
    i_am = r"(?:我(?:是|叫|名叫|名为|的名字[是叫])|[叫称]我为?|称呼我为?|这里是)"
    some = r"[^。,\uff0c;\uff1b不非没]"
    return [
        rf"{i_am}{some}{{0,20}}?(?:{_NAMES})",
        rf"{i_am}{some}{{0,20}}?(?:{_SHARED_NAMES})(?=[^。]{{0,15}}(?:{_KIND}|{_MAKERS})|\W*$)",
        rf"我{some}{{0,20}}由 ?{some}{{0,6}}?(?:{_MAKERS}){some}{{0,10}}?{_MADE_ZH}",
        rf"我是 ?(?:{_MAKERS}) ?(?:公司)?(?:自主)?{_MADE_ZH}",
        rf"(?:{_MAKERS}) ?{_MADE_ZH}了我",
        rf"作为{some}{{0,20}}?(?:{_NAMES}|{_SHARED_NAMES}){some}{{0,8}}[,\uff0c]? ?我",
    ]


def _elsewhere() -> list[str]:
    i_am = (
        r"(?:\bich bin|\bje suis|\bje m['\u2019]appelle|\bsoy|\beu sou|\bsono|(?<!\w)я(?: [—-])?)"
    )
    return [
        rf"{i_am} {{0,2}}(?:{_NAMES})",
        rf"{i_am} [^.;]{{0,60}}{_MADE_ELSEWHERE} (?:{_MAKERS})",
        rf"私は[^。、]{{0,30}}?(?:{_NAMES})(?:です|と申します|という)",
        rf"저는[^.,]{{0,30}}?(?:{_NAMES}) ?(?:입니다|이에요|예요)",
    ]
