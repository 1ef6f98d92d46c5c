"""Does an answer hold somebody's address, telephone, card or identity number?"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from curate.sample import Sample, Verdict
from curate.scorers.new_sentences import Sentencewise, sentences
from curate.scorers.scorer import Scorer, Watching


@dataclass(frozen=True)
class PersonalData(Scorer):
    """1.0 when the completion holds no personal data, else 0.0; never None.

    Found: e-mail and public IP addresses (as datatrove's PIIFormatter does), telephone numbers
    (E.164 and US in their written forms), payment cards (ISO/IEC 7812, Luhn), IBANs (ISO 13616,
    length and mod 97), US social security numbers and Chinese resident identity numbers
    (GB 11643, checksum and date). Bare digits are a telephone or card number only beside a word
    that says so, as mathematics is full of them. What is reserved for examples (example.com,
    private networks, 555-01xx) is nobody's. Names and postal addresses are not looked for.

    Measured: of 82,000 texts (GSM8K, MATH, CMATH, MBPP, HumanEval, Countdown, 70 chains, IFEval,
    self-instruct, Tatoeba, UDHR) 5 are refused: four with an e-mail address, one with a number.

    >>> prompt = Sample(prompt_id="p", problem="What is 3 + 4?")
    >>> PersonalData().judge(prompt.with_completion("It is 7, or 4539148803436467.")).score
    1.0
    >>> PersonalData().judge(prompt.with_completion("Write to jane.doe@mail.org: it is 7."))
    Verdict(score=0.0, reason='an e-mail address: jan…')
    """

    def judge(self, sample: Sample) -> Verdict:
        if not _may_hold(sample.text):
            return Verdict(1.0)
        fault = next(filter(None, map(_fault, sentences(sample.text))), None)
        return Verdict(0.0, fault) if fault else Verdict(1.0)

    def watch(self, prompt: Sample, at_least: float) -> Watching | None:
        return Sentencewise(_fault) if at_least > 0 else None


def _fault(sentence: str) -> str | None:
    """What it holds; the reason must not spread it, so it shows three characters."""
    if not _may_hold(sentence) or not ("@" in sentence or _DIGITS.search(sentence)):
        return None
    for kind in _KINDS:
        for found in kind.pattern.finditer(sentence):
            if kind.is_real(found):
                return f"{kind.name}: {found.group().strip()[:3]}…"
    return None


def _may_hold(text: str) -> bool:
    """False where no pattern of `_KINDS` can match, whatever it wants around it.

    Every digit is read as 0, every hexadecimal letter as f and every other one as g: what is to be
    looked for is then nearly literal, and that takes a thirtieth of the patterns' time.
    """
    shape = text.encode("utf-8", "replace").translate(_SHAPES)
    return (
        b"@" in shape
        or any(map(shape.__contains__, _RUNS))
        or any(p.search(shape) for p in _SHAPED)
    )


_SHAPES = bytes.maketrans(
    b"123456789abcdeABCDEFhijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ",
    b"0" * 9 + b"f" * 11 + b"g" * 39,
)
_RUNS = (b"0" * 8, b"00-0000", b"0000 0000 0", b"0000-0000-0", b"000000-00000", b"000000 00000")
"""Of telephone, social security, card and identity numbers."""
_SHAPED = (
    re.compile(rb"\+0{1,3}[ .-]?(?:\(0{1,4}\)[ .-]?00|0{1,4}[ .-]00)"),  # a telephone number
    re.compile(rb"00(?<=[fg]{2}00)(?:[fg0]{11}|(?: [fg0]{4}){2})"),  # a bank account
    re.compile(rb"0\.0{1,3}\.0{1,3}\.0"),  # an IP address of version 4
    re.compile(rb":[0f]{1,4}:"),  # of version 6
)


def _is_somebodys(found: re.Match[str]) -> bool:
    nobodys = found["local"].lower() in ("git", "noreply", "no-reply")
    return not nobodys and not _RESERVED.search(found["domain"].lower())


def _is_public(found: re.Match[str]) -> bool:
    try:
        return ipaddress.ip_address(found.group()).is_global
    except ValueError:
        return False


def _is_telephone(found: re.Match[str]) -> bool:
    digits = re.sub(r"\D", "", found.group())
    return 8 <= len(digits) <= 15 and not re.search(r"55501\d\d$", digits)


def _is_card(found: re.Match[str]) -> bool:
    digits = re.sub(r"\D", "", found["number"])
    return bool(_ISSUERS.match(digits)) and len(set(digits)) > 3 and _luhn(digits)


def _luhn(digits: str) -> bool:
    """The check digit of ISO/IEC 7812-1, annex B."""
    doubled = (sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def _is_account(found: re.Match[str]) -> bool:
    """ISO 13616: as many characters as the country has, and 1 modulo 97."""
    said = found.group().replace(" ", "").upper()
    said = said[: int(_IBAN_LENGTHS.get(said[:2], 0))]
    if len(said) != int(_IBAN_LENGTHS.get(said[:2], -1)):
        return False
    return int("".join(str(int(c, 36)) for c in said[4:] + said[:4])) % 97 == 1


def _is_resident(found: re.Match[str]) -> bool:
    """GB 11643-1999: weights 2^(17-i) modulo 11 (ISO 7064, MOD 11-2)."""
    said = found.group().upper()
    total = sum(int(digit) * 2 ** (17 - i) for i, digit in enumerate(said[:17]))
    return "10X98765432"[total % 11] == said[17]


def _always(found: re.Match[str]) -> bool:
    return True


class _Kind(NamedTuple):
    name: str
    pattern: re.Pattern[str]
    is_real: Callable[[re.Match[str]], bool]


_DIGITS = re.compile(r"\d{3}|[0-9a-f]:[0-9a-f:]|\d\.\d", re.IGNORECASE)
_RESERVED = re.compile(r"(?:^|\.)(?:example|test|invalid|localhost|local)(?:\.(?:com|net|org))?$")
"""RFC 2606 and 6761."""
_ISSUERS = re.compile(
    r"4|5[1-5]|2(?:2[2-9]|[3-6]|7[01]|720)|3[47]|6(?:011|4[4-9]|5|2)|35|3(?:0[0-5]|[689])"
)
"""Visa, Mastercard, American Express, Discover, UnionPay, JCB, Diners Club."""
_IBAN_LENGTHS = dict(
    re.findall(
        r"([A-Z]{2})(\d\d)",
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 "
        "EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 "
        "IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 "
        "NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 "
        "TR26 UA29 VA22 VG24 XK20",
    )
)
_ALONE = r"(?<![\w.,+*/^={}\\$-])"
_ENDS = r"(?![\w^]|[.,-]\d)"
_CALLED = (
    r"(?:\b(?:tel|phone|telephone|mobile|cell|call|fax|whatsapp|wechat)\b|电话|手机|联系|微信|拨打)"
    r"[^\d\n]{0,20}"
)
_CARD = r"(?:\b(?:card|visa|mastercard|amex|credit|debit)\b|信用卡|银行卡|卡号)[^\d\n]{0,25}"


def _kind(name: str, pattern: str, is_real: Callable[[re.Match[str]], bool]) -> _Kind:
    return _Kind(name, re.compile(pattern, re.ASCII | re.IGNORECASE), is_real)


_KINDS = (
    _kind(
        "an e-mail address",
        r"(?<![\w.%+@/-])(?P<local>[a-z0-9][\w.%+-]{0,63})@"
        r"(?P<domain>(?:[a-z0-9][a-z0-9-]{0,62}\.){1,5}[a-z]{2,24})(?![\w(@]|\.\w|-\w)",
        _is_somebodys,
    ),
    _kind(
        "an IP address",
        r"(?<![\w.])(?<!version )(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)"
        r"|(?<![\w:.])(?:[0-9a-f]{1,4}:){2,7}:?(?:[0-9a-f]{1,4}:?){1,6}(?![\w:])",
        _is_public,
    ),
    _kind(
        "a telephone number",
        rf"{_ALONE}\+[1-9]\d{{0,2}}[ .-]?(?:\(\d{{1,4}}\)[ .-]?\d{{2,5}}|\d{{1,4}})"
        rf"(?:[ .-]\d{{2,8}}){{1,4}}{_ENDS}"
        rf"|{_ALONE}(?:\+?1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d-)[2-9]\d\d-\d{{4}}{_ENDS}"
        rf"|{_CALLED}\+?\d{{8,15}}{_ENDS}",
        _is_telephone,
    ),
    _kind(
        "a payment card",
        rf"{_ALONE}(?P<number>\d{{4}}(?P<gap>[ -])\d{{4}}(?P=gap)\d{{4}}(?P=gap)\d{{4}}"
        rf"|3[47]\d\d[ -]\d{{6}}[ -]\d{{5}}){_ENDS}",
        _is_card,
    ),
    _kind("a payment card", rf"{_CARD}(?P<number>\d{{13,19}}){_ENDS}", _is_card),
    _kind(
        "a bank account",
        r"(?<!\w)[A-Z]{2}\d\d(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,4})?)(?!\w)",
        _is_account,
    ),
    _kind(
        "a social security number",
        rf"{_ALONE}(?!000|666|9)\d{{3}}-(?!00)\d\d-(?!0000)\d{{4}}{_ENDS}",
        _always,
    ),
    _kind(
        "an identity number",
        r"(?<![\w.])[1-8]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX]"
        r"(?![\w.])",
        _is_resident,
    ),
)
