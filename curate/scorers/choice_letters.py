"""The letters that options go by, and the words around them, in the languages of the world.

ج is the third Arabic letter, В the third Cyrillic one, ③ and III are the third of numbers
"""

# ruff: noqa: RUF001, RUF002 - letters of many scripts look alike

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

LATIN = "ABCDEFGHIJ"
"""Ten options at most, as in MMLU-Pro."""

ALPHABETS = [
    row.split()
    for row in (
        "А Б В Г Д Е Ж З И К",
        "Α Β Γ Δ Ε Ζ Η Θ Ι Κ",
        *("أ ب ج د ه و ز ح", "ا ب ج د", "أ ب ت ث ج ح خ د", "الف ب پ ت", "א ב ג ד ה ו ז ח"),
        *("क ख ग घ ङ च छ ज", "अ ब स द", "अ ब क ड इ", "अ आ इ ई उ ऊ", "ए बी सी डी ई एफ"),
        *("ক খ গ ঘ ঙ চ ছ জ", "অ আ ই ঈ", "এ বি সি ডি ই", "ਕ ਖ ਗ ਘ ਙ", "ੳ ਅ ੲ ਸ", "ਏ ਬੀ ਸੀ ਡੀ"),
        *("ક ખ ગ ઘ ઙ", "અ બ ક ડ ઇ", "એ બી સી ડી", "அ ஆ இ ஈ உ ஊ", "ఎ బి సి డి ఇ ఎఫ"),
        *("అ ఆ ఇ ఈ ఉ", "క ఖ గ ఘ", "ಅ ಆ ಇ ಈ ಉ", "ಎ ಬಿ ಸಿ ಡಿ", "ಕ ಖ ಗ ಘ", "എ ബി സി ഡി", "അ ആ ഇ ഈ"),
        *("ก ข ค ง จ ฉ ช ซ", "เอ บี ซี ดี อี", "ກ ຂ ຄ ງ ຈ", "ក ខ គ ឃ ង", "က ခ ဂ ဃ င"),
        *("ა ბ გ დ ე ვ ზ თ", "Ա Բ Գ Դ Ե Զ", "ա բ գ դ ե զ", "ሀ ለ ሐ መ ሠ ረ", "අ ආ ඇ ඈ"),
        *("가 나 다 라 마 바 사 아", "ㄱ ㄴ ㄷ ㄹ ㅁ ㅂ ㅅ ㅇ", "ᄀ ᄂ ᄃ ᄅ ᄆ ᄇ ᄉ ᄋ"),
        *(
            "ア イ ウ エ オ カ キ ク",
            "イ ロ ハ ニ ホ ヘ",
            "あ い う え お",
            "甲 乙 丙 丁 戊 己 庚 辛",
        ),
    )
]
"""In the order in which options are lettered; where a letter stands in two, the first counts unless
the prompt's own letters say otherwise.
"""

LOOKS = dict(zip("АВСЕНΑΒΕΗΙ", "ABCEHABEHI", strict=True))
"""Cyrillic and Greek letters that are typed for Latin ones."""

ROMAN = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"]

ANSWER = (
    # European languages in Latin letters
    *("answers?", "ans\\.?", "réponses?", "respuestas?", "respostas?", "risposta", "risposte"),
    *("răspunsul", "răspuns", "antwort(?:en)?", "lösung", "antwoord", "svaret", "svar"),
    *("vastaus", "oikea vaihtoehto", "vastus", "válasz", "megoldás", "odpowiedzi[ąa]?"),
    *("odpowiedź", "odpověď", "odpověd[ií]", "odpoveď", "odgovor", "përgjigj(?:ja|e)?"),
    *("atsakymas", "atbilde", "svarið", "tweġiba", "ateb", "freagra", "erantzuna?", "respondo"),
    # Turkic, African, Austronesian languages and Vietnamese
    *("cevap", "cevabı", "yanıt", "yanıtı", "cavab", "javob", "jawaban(?:nya)?", "jawapan"),
    *("sagot", "kasagutan", "jibu", "majibu", "amsa", "ìdáhùn", "impendulo", "antwoord"),
    *("đáp án", "câu trả lời", "trả lời"),
    # Cyrillic, Greek, Caucasian
    *("ответ(?:ом)?", "відповідь", "відповіддю", "адказ", "отговор(?:ът)?", "одговор(?:от)?"),
    *("жауап", "жауабы", "хариулт", "απάντηση", "პასუხი(?:ა)?", "պատասխան(?:ը)?"),
    # Semitic, Iranian
    *("الإجابة", "الاجابة", "إجابة", "اجابة", "الجواب", "جواب", "الجواب", "پاسخ", "התשובה"),
    *("תשובה", "መልሱ", "መልስ"),
    # India and south-east Asia
    *("उत्तर", "जवाब", "जवाफ", "उत्तरः", "উত্তর", "ਉੱਤਰ", "ਜਵਾਬ", "જવાબ", "ઉત્તર", "பதில்"),
    *("விடை", "సమాధానం", "జవాబు", "ಉತ್ತರ", "ഉത്തരം", "පිළිතුර", "คำตอบ", "ตอบ", "ຄຳຕອບ"),
    *("ចម្លើយ", "အဖြေ"),
    # Chinese, Japanese, Korean
    *("答案", "正确选项", "正確選項", "正确的是", "正確的是", "[应應故所以][选選](?![项項])择?"),
    *("[选選]择?(?![项項择])", "答(?=[:：是为])", "正解", "正答", "答え", "解答", "回答"),
    *("정답", "답변", "답(?=[은이:：])"),
)
"""What says that an answer follows (or, with a verb, that one went before), as patterns."""

OPTION = (
    *("option", "choice", "letter", "alternative", "choose", "chose", "pick", "select(?:ed)?"),
    *("go with", "it's", "it is", "it must be", "therefore", "thus", "hence", "so", "conclude"),
    *("opción", "opção", "opcão", "opzione", "alternativa", "variante?", "optie", "opcja"),
    *("c'est", "choix", "donc", "es la", "é a", "also", "wähle", "möglichkeit", "seçenek"),
    *("şık", "вариант", "варіант", "поэтому", "следовательно", "опция", "επιλογή"),
    *("الخيار", "خيار", "گزینه", "אפשרות", "विकल्प", "বিকল্প", "ਵਿਕਲਪ", "વિકલ્પ", "விருப்பம்"),
    *("ఎంపిక", "ఐచ్ఛికం", "ಆಯ್ಕೆ", "ഓപ്ഷൻ", "ตัวเลือก", "ข้อ", "lựa chọn", "phương án"),
    *("pilihan", "opsi", "chaguo", "选项", "選項", "选择", "因此", "所以", "故", "選択肢", "보기"),
    *("따라서", "よって", "したがって", "chaguo la"),
)

RIGHT = (
    *(
        "correct",
        "right",
        "best (?:answer|choice|option|fit)",
        "bonne",
        "correcte?",
        "exacte?",
        "juste",
        "correct[ao]",
    ),
    *("corret[ao]", "corrett[ao]", "giust[ao]", "esatt[ao]", "cert[ao]", "verdader[ao]"),
    *("richtig(?:e[rn]?)?", "korrekt(?:e[rn]?)?", "juist(?:e)?", "goed(?:e)?", "rätt", "riktig"),
    *("oikein", "helyes", "poprawn[aey]\\w*", "prawidłow[aey]\\w*", "správn[áéýě]", "točan"),
    *("corect[ăa]?", "doğru", "đúng", "chính xác", "benar", "tepat", "sahihi", "tama"),
    *("правильн\\w*", "верн\\w*", "верен", "вірн\\w*", "тачан", "σωστ\\w*", "صحيحة?", "الصحيحة?"),
    *("درست", "صحیح", "درست", "נכונה?", "सही", "सत्य", "সঠিক", "ਸਹੀ", "સાચો", "சரி\\w*"),
    *("సరైన\\w*", "సరి\\w*", "ಸರಿ\\w*", "ശരി\\w*", "ถูกต้อง", "ถูก", "正确", "正確", "对", "正しい"),
    *("맞\\w*", "옳\\w*", "ትክክል"),
)
"""What says of the letter before it that it is the answer."""

NOT_NEXT = (
    *(
        "not(?! only| just)",
        r"\w{2,6}n't",
        "cannot",
        "neither",
        "nor",
        "rather than",
        "instead of",
        "unlike",
        "except",
    ),
    *("eliminate[sd]?", "eliminating", "excluding?", "exclude[sd]?", "rule out", "ruled out"),
    *(
        "than",
        "non",
        "pas",
        "nicht",
        "kein",
        "não",
        "no(?! doubt| question)",
        "nem",
        "né",
        "niet",
        "inte",
    ),
    *("ikke", "ei", "ikkje", "nem", "nie", "není", "ne", "nu", "не", "ни", "δεν", "όχι", "ليست?"),
    *("لا", "وليس", "نه", "לא", "không phải", "không", "chứ không phải", "bukan", "tidak", "hindi"),
    *("sio", "ไม่ใช่", "ไม่", "不是", "并非", "非(?!常)", "不选", "不選", "排除", "而不是", "不能选"),
)
"""What says that the letter after it is not the answer; of the one before where none follows."""

NOT_LAST = (
    *("değil", "नहीं", "नहि", "নয়", "না", "ਨਹੀਂ", "નથી", "નહીં", "కాదు", "அல்ல", "ಅಲ್ಲ"),
    *("അല്ല", "نہیں", "نیست", "아니", "아닌", "아닙", "ではな", "じゃな", "でな", "은 틀", "는 틀"),
    *("wrong", "incorrect\\w*", "false", "fauss?e?", "falsch", "fals[ao]", "incorrett[ao]"),
    *("onjuist", "неверн\\w*", "неправильн\\w*", "yanlış", "sai", "salah", "خاطئة?", "خطأ", "غلط"),
    *("गलत", "ভুল", "ผิด", "错误", "错", "不对", "不正确", "不符合", "間違い", "誤り", "eliminated"),
    *("excluded", "si sahihi"),
)

AND = (
    r"and|or|nor|as well as|et|ou|und|oder|y|o|e|och|en|of|и|или|і|або|و|أو|ve|veya|और|या|dan|atau"
)
JOIN = rf"\s*(?:[,;、/&+]|(?:[,、]?\s*(?:\b(?:{AND})\b|[和与及或跟和と])))\s*|[ \t]+"
"""What stands between letters that are given together."""


@lru_cache(maxsize=256)
def places(own: str) -> dict[str, int]:
    """Which option a native letter means, for a prompt whose own letters are `own`."""
    used = set(own)
    found: dict[str, int] = {}
    if not used & (set(ALPHABETS[0]) | set(ALPHABETS[1])):
        found.update((look, LATIN.index(letter)) for look, letter in LOOKS.items())
    for alphabet in sorted(ALPHABETS, key=lambda a: -len(used & set(a))):
        for n, letter in enumerate(alphabet):
            found.setdefault(letter, n)
    return found


def one_of(words: tuple[str, ...]) -> str:
    r"""A pattern of any of the words: whole ones where a script has spaces between words.

    >>> bool(re.search(one_of(("answer", "答案")), "The answer")), bool(re.search("so", "also"))
    (True, True)
    >>> bool(re.search(one_of(("so",)), "also"))
    False
    """
    words = tuple(unicodedata.normalize("NFKC", word) for word in words)
    spaced = [w for w in words if not _UNSPACED.match(w)]
    joined = [w for w in words if _UNSPACED.match(w)]
    pattern = rf"(?<![^\W\d_])(?:{'|'.join(spaced)}){_END}" if spaced else ""
    return "|".join(filter(None, [pattern, *joined]))


_END = r"(?![^\W\u3040-\u9fff\uac00-\ud7af])"
_UNSPACED = re.compile(r"\[?[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u9fff\uac00-\ud7af]")

JOINED = re.compile(JOIN, re.IGNORECASE)
SAYS = re.compile(one_of(ANSWER), re.IGNORECASE)
HINTS = re.compile(one_of(OPTION), re.IGNORECASE)
DENIES = re.compile(f"(?P<last>{one_of(NOT_LAST)})|(?P<next>{one_of(NOT_NEXT)})", re.IGNORECASE)
IS_RIGHT = re.compile(rf"[^,;!?\n.:]{{0,40}}?(?:{one_of(RIGHT)}|{one_of(ANSWER)})", re.IGNORECASE)
