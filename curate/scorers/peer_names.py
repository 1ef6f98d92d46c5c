"""The names under which open-r1's and TRL's rewards are found on a command line.

get_cosine_scaled_reward, cosine_scaled_reward     open-r1's
trl.get_cosine_scaled_reward, think_format_reward  TRL's; those of open-r1 go first
"""

from __future__ import annotations

from collections.abc import Callable

from curate.scorers import open_r1, trl_rewards
from curate.scorers.scorer import Scorer


def peer_rewards() -> dict[str, Scorer | Callable[..., Scorer]]:
    """A scorer, or what makes one from its parameters, for every name."""
    found: dict[str, Scorer | Callable[..., Scorer]] = {}
    for prefix, module in (("trl.", trl_rewards), ("open_r1.", open_r1)):
        for name in module.__all__:
            reward = getattr(module, name)
            for called in {name, name.removeprefix("get_")}:
                found[called] = found[prefix + called] = reward
    return found
