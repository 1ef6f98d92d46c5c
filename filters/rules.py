"""Can a person read it to the end, and would we publish it? DeepSeek-R1's filters, and ours."""

from curate.scorers import (
    Finished,
    Identity,
    Length,
    PersonalData,
    Readability,
    Refusal,
    Repetition,
)
from curate.select import Keep


def readable(max_tokens: int = 32_768, not_repeated: float = 0.9) -> list[Keep]:
    """Keeps answers that the model ended itself, not too long and without repeating themselves.

    `max_tokens`: DeepSeek-R1 generates at most 32,768 (v1, section 3).
    `not_repeated`: R1 filters repetition out (v2, appendix B.3.2). Measured on 70 real chains: 69
    sound ones have a share of at least 0.970 of new 20-grams, say none more than 5 times and
    nothing of 20 words and more over twice in a row (2.1 times, 59 words); the one that loops has
    0.600, says one 155 times and 42 words 29 times in a row.
    """
    return [
        Keep(Finished()),
        Keep(Length(maximum=max_tokens)),
        Keep(Repetition(), at_least=not_repeated),
    ]


plain_reasoning = Keep(Readability())
"""No "long paragraphs, and code blocks" in the reasoning, as R1 filters (v1, section 2.3.3).

R1 gives no number: a paragraph of over 500 words, a page, is long. Of 70 real chains 4 have one, by
R1 itself, and none a code block.
"""


def publishable(model: str = "", maker: str = "") -> list[Keep]:
    """Keeps answers that answer, claim to be no other maker's model and hold no personal data.

    `model` and `maker` are what the model may call itself. All or nothing, no threshold to choose;
    none of 70 real chains is refused.
    """
    return [
        Keep(Refusal()),
        Keep(Identity(model=model, maker=maker)),
        Keep(PersonalData()),
    ]
