"""What the Hub and its client refuse, said in one line with the next step; no token is ever in it.

Two kinds: `Again`, what another attempt may get past (somebody was faster, too many requests, a
server that is down, an answer that was lost), and RunError, what a person must mend.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from curate.errors import CurateError, RunError

LATER = frozenset({400, 408, 409, 412, 425, 429})
"""Refusals that may pass: 400 comes for an upload that was cut or an object that is not there."""
ANY_TOKEN = re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9_]{4,}")
T = TypeVar("T")
ATTEMPTS = 10
"""In a row without progress; with the waits between them three minutes."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
PATIENCE_S = 900.0
"""Where the Hub asks to wait for longer, a person decides."""
SETTINGS = "https://huggingface.co/settings/tokens"


class Again(Exception):
    """(what happened, seconds that the Hub asks to wait, status): worth another attempt."""

    def __init__(self, text: str, wait_s: float = 0.0, status: int = 0) -> None:
        super().__init__(text, wait_s, status)
        self.wait_s, self.status = wait_s, status

    def __str__(self) -> str:
        return self.args[0]


def quiet(_: str) -> None:
    """Says nothing."""


def retried(
    attempt: Callable[[], T],
    *,
    say: Callable[[str], None] = quiet,
    progress: Callable[[], int] = lambda: 0,
) -> T:
    """Tries until it works, waiting longer each time, as long as the Hub asks at least; RunError
    after ATTEMPTS in a row between which `progress` has not grown.
    """
    failures, reached = 0, 0
    while True:
        try:
            return attempt()
        except Again as again:
            failures = 1 if progress() > reached else failures + 1
            reached = progress()
            if failures >= ATTEMPTS or again.wait_s > PATIENCE_S:
                raise RunError(str(again)) from None
            wait = max(again.wait_s, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (failures - 1)))
            say(f"{str(again).partition('; ')[0]}; again in {wait:.1f} s")
            time.sleep(wait)


@contextmanager
def asking(repo: str, what: str) -> Iterator[None]:
    """Turns what the client raises in the block into Again or RunError; `what` is being done.

    The client's errors come from four libraries (its own, its HTTP client, the Xet store, the
    system), so all of them are caught, and none is passed over.
    """
    try:
        yield
    except (CurateError, Again):
        raise
    except Exception as error:
        raise translated(error, repo, what) from None


def translated(error: Exception, repo: str, what: str) -> Again | RunError:
    """What a client's error means for the person who publishes."""
    chain = list(causes(error))
    response = next((r for e in chain if (r := getattr(e, "response", None)) is not None), None)
    kinds = {kind.__name__ for e in chain for kind in type(e).__mro__}
    if response is not None:
        return refused(response, kinds, repo, what, said_by(chain))
    if "OfflineModeIsEnabled" in kinds:
        return RunError(f"cannot {what}: HF_HUB_OFFLINE is set; unset it and run the command again")
    if kinds & {"LocalTokenNotFoundError"}:
        return no_token()
    said = said_by(chain)
    modules = {type(e).__module__.partition(".")[0] for e in chain}
    is_network = modules & {"httpx", "httpx2", "httpcore", "hf_xet"} or kinds & {
        *("ConnectionError", "TimeoutError", "RuntimeError", "XetDownloadError")
    }
    is_here = "FileNotFoundError" in kinds and "LocalEntryNotFoundError" not in kinds
    if is_network and not is_here:
        return Again(
            f"cannot {what}: {said}; check the network (HF_ENDPOINT, proxies), then run the same "
            "command again"
        )
    return RunError(f"cannot {what}: {said}")


def refused(response: Any, kinds: set[str], repo: str, what: str, said: str) -> Again | RunError:
    """What a status of the Hub means."""
    status = response.status_code
    if status in (402, 403, 413, 507) and re.search(r"storage|quota|limit", said, re.IGNORECASE):
        return RunError(
            f"cannot {what}: {said}; free or buy room at https://huggingface.co/settings/billing, "
            "then run the same command again, it continues"
        )
    if status == 403 and "GatedRepoError" not in kinds:
        return RunError(
            f"cannot {what}: this token may not write to {repo} ({said}); make one with the "
            f"permission to write at {SETTINGS} and set HF_TOKEN, or choose a repository of yours"
        )
    if "GatedRepoError" in kinds:
        return RunError(
            f"cannot {what}: {repo} is gated and you have no access; ask for it at "
            f"https://huggingface.co/datasets/{repo}"
        )
    if "RepositoryNotFoundError" in kinds or status == 404:
        return RunError(
            f"cannot {what}: there is no dataset {repo}, or it is private and this token may not "
            "see it; check the name, and the token with: hf auth whoami"
        )
    if status == 401:
        return RunError(
            "the Hub does not know this token; make one with the permission to write at "
            f"{SETTINGS} and set HF_TOKEN, or run: hf auth login"
        )
    wait = seconds(response.headers)
    if status == 429:
        asked = f" for {wait:.0f} s" if wait else ""
        return Again(
            f"cannot {what}: the Hub has had too many requests (429) and asks to wait{asked}; "
            "run the same command again then, it continues",
            wait,
            status,
        )
    if status in LATER or status >= 500:
        down = "the Hub is out of order" if status >= 500 else "the Hub refuses"
        text = f"cannot {what}: {down} ({status}: {said}); run the same command again, it continues"
        return Again(text, wait, status)
    return RunError(f"cannot {what}: the Hub refuses ({status}: {said})")


def no_token() -> RunError:
    return RunError(
        f"there is no token for the Hub; make one with the permission to write at {SETTINGS} and "
        "set HF_TOKEN, or run: hf auth login"
    )


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and those that led to it."""
    seen: set[int] = set()
    now: BaseException | None = error
    while now is not None and id(now) not in seen:
        seen.add(id(now))
        yield now
        now = now.__cause__ or now.__context__


def said_by(chain: list[BaseException]) -> str:
    """The most telling line of the errors, without tokens and addresses of requests."""
    server = next((s for e in chain if (s := getattr(e, "server_message", None))), None)
    texts = [str(server)] if server else [str(e) or type(e).__name__ for e in (chain[0], chain[-1])]
    lines = [next(filter(None, map(str.strip, text.splitlines())), "") for text in texts]
    said = ": ".join(line.rstrip(".: ") for line in dict.fromkeys(lines))
    return without_tokens(re.sub(r"\s*\(Request ID.*?\)", "", said))[:300]


def without_tokens(text: str) -> str:
    """The text with every token struck out.

    >>> without_tokens("Bearer hf_abcdefghij is wrong")
    'Bearer hf_… is wrong'
    """
    return ANY_TOKEN.sub("hf_…", text)


def seconds(headers: Mapping[str, str]) -> float:
    """How long the Hub asks to wait; 0 when it does not say.

    `Retry-After` is a number or a date, `RateLimit` has the time until its window ends
    (https://huggingface.co/docs/hub/rate-limits).

    >>> seconds({"retry-after": "12"}), seconds({"ratelimit": '"api";r=0;t=55'}), seconds({})
    (12.0, 55.0, 0.0)
    """
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    window = re.search(r";\s*t=(\d+)", headers.get("ratelimit") or "")
    said = headers.get("retry-after") or (window[1] if window else "")
    if re.fullmatch(r"\d+(\.\d+)?", said):
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0
