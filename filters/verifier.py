"""Is the answer right? DeepSeek-R1 keeps correct answers only (v1, section 2.3.3).

`MathAnswer` on 567 labelled pairs of other projects (Math-Verify, lighteval, NeMo-Skills,
Hendrycks, GSM8K model outputs): no wrong answer accepted, except where a label forbids what we
allow (6: a formula over two lines, another order of a list); 11 right ones refused.
"""

from curate.scorers import MathAnswer
from curate.select import Keep

correct_answer = Keep(MathAnswer())
"""The final answer equals the gold answer: 1 or 0, no threshold to choose (v1, section 2.2.2)."""
