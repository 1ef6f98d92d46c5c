"""What R1 was trained on, by domain: targets for `Mix`.

Mix(R1_SFT, scale=0.01)
"""

R1_SFT = {
    "math": 395_285,
    "code": 211_129,
    "stem": 10_124,
    "logic": 10_395,
    "general": 177_812,
}
"""Samples of the 800k set for SFT (DeepSeek-R1 v2, table 5): 804,745, of them 626,933 reasoning."""

R1_CONFIGS = {"reasoning": ["math", "code", "stem", "logic"], "non_reasoning": ["general"]}
"""Its two halves, R1's 600k and 200k, as configs of one dataset."""

R1_RL = {
    "math": 26_000,
    "code": 17_000,
    "stem": 22_000,
    "logic": 15_000,
}
"""Prompts of the RL stages that rules judge (v2, table 4).

The text beside the table counts 8,000 bug fixes besides 17,000 competition problems; the table
says 17,000. The 66,000 prompts of the general domain are judged by reward models.
"""
