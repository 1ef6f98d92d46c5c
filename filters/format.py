"""Is the answer in the form that it should have? All or nothing: a tag too many breaks a parser."""

from curate.scorers import ThinkFormat
from curate.select import Keep

think_format = Keep(ThinkFormat())
"""`<think>reasoning</think>response` (DeepSeek-R1 v1, section 2.2.2: the format reward)."""

think_answer_format = Keep(ThinkFormat(style="think-answer"))
"""`<think>reasoning</think><answer>answer</answer>` (v1, table 1: the template of R1-Zero)."""

r1_format = Keep(ThinkFormat(style="r1"))
"""`|special_token|reasoning|special_token|summary` (v1, section 2.3.1), with the think tags.

The paper names no token; `Keep(ThinkFormat(style="r1", token="|special_token|"))` takes another.
"""

prefilled_format = Keep(ThinkFormat(style="prefilled"))
"""As `think_format`, for models whose chat template opens `<think>` itself, as R1's does."""

boxed_format = Keep(ThinkFormat(style="boxed"))
r"""As `think_format`, with a `\boxed{…}` in the response, which graders of mathematics look for."""

begin_of_thought_format = Keep(ThinkFormat(style="begin-of-thought"))
"""The four tags of OpenThoughts-114k and Sky-T1, for students that learn from those datasets."""
