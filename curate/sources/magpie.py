"""`Magpie`: prompts that a model writes itself, given nothing but the beginning of a user's turn.

    Magpie("http://node1:8000/v1", family="llama3", count=1000, system="math")
    Magpie("local", count=50)

An instruction-tuned model that is shown its chat template up to where the user speaks goes on as
the user (Xu et al. 2024, "Magpie", arXiv 2406.08464, section 2). Nothing is known of the answers,
so these prompts have no verifier.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from datatrove.data import Document

from curate.engines.client import Client
from curate.engines.engine import check_engine, engine_identity, open_engine
from curate.engines.request import Completion, Request
from curate.engines.server import Engine
from curate.engines.store import Store
from curate.errors import UsageError
from curate.sample import Sample, Turn, digest, prompt_id
from curate.sources.language import written_in
from curate.step import Step
from curate.text import words

SEED_BITS = 31
"""Seeds below 2**31 are taken by every engine as they are."""
AHEAD = 64
"""Answers that may wait for one before them, beyond those on their way."""


@dataclass(frozen=True)
class Family:
    """How the models of a family write a system turn, and the beginning of a user's.

    Without the token that begins a text: servers put it before every prompt themselves (vLLM's and
    llama.cpp's default), and two of them change what a model writes.
    """

    system: str
    user: str
    stop: tuple[str, ...]


FAMILIES = {
    "chatml": Family(
        "<|im_start|>system\n{}<|im_end|>\n", "<|im_start|>user\n", ("<|im_end|>", "<|im_start|>")
    ),
    "llama3": Family(
        "<|start_header_id|>system<|end_header_id|>\n\n{}<|eot_id|>",
        "<|start_header_id|>user<|end_header_id|>\n\n",
        ("<|eot_id|>", "<|start_header_id|>"),
    ),
    "deepseek": Family(
        "{}",
        "<\uff5cUser\uff5c>",
        ("<\uff5cAssistant\uff5c>", "<\uff5cend\u2581of\u2581sentence\uff5c>"),
    ),
}
"""From the models' chat templates. ChatML is that of Qwen 2, 2.5 and 3, SmolLM2 and many others."""

TASKS = {
    "math": "You help people with mathematics. They bring you problems of every kind and level,"
    " each with all that is needed to work out its one answer, and you solve them step by step.",
    "code": "You help people to write programs. They bring you tasks of every kind and level, each"
    " with its inputs and outputs described, and you write and explain the code.",
    "translation": "You translate for people, between languages of every kind. They give you a text"
    " and say into which language, and you keep its meaning and its tone.",
}
"""Control tasks (section 2.3 of the paper): what the system turn says moves what a user asks."""


class Magpie(Step):
    """Yields the distinct prompts among `count` that a model writes.

    Args:
        family: whose chat template; or give the text up to the user's turn as `pre_query`.
        system: a control task (`math`, `code`, `translation`) or the text of a system turn.
        domain: of all of them. `Tags` tells it for each: also of those written for a control task
            not all are of it.
        stop: where a prompt ends, besides the family's tokens; the paper's scripts end it with its
            first line, `stop=()` lets it have more.
        min_words: shorter ones are `too_short`.

    Temperature and top-p are 1 as in the paper's scripts. Each answer is in the sample store before
    it is looked at, under a seed of its own (a hash of `seed` and its number), so the prompts are a
    function of the arguments and the store, and none is paid for twice. Left out: `empty`,
    `too_short`, `truncated` (by `max_tokens`), `leaked_template`, `duplicate_prompt`.
    """

    where = frozenset({"engine", "concurrency", "store"})
    is_source = True
    counts_itself = True

    def __init__(
        self,
        engine: str = "local",
        *,
        count: int,
        model: str | None = None,
        family: Literal["chatml", "llama3", "deepseek"] = "chatml",
        pre_query: str | None = None,
        system: str | None = None,
        domain: str = "general",
        temperature: float = 1.0,
        top_p: float = 1.0,
        stop: tuple[str, ...] = ("\n",),
        max_tokens: int = 512,
        min_words: int = 4,
        seed: int = 0,
        concurrency: int | None = None,
        store: str | Path = "runs/store",
    ) -> None:
        super().__init__()
        check_engine(engine)
        if count < 1:
            raise UsageError(f"Magpie(count={count}): at least 1 prompt")
        if family not in FAMILIES:
            raise UsageError(f"Magpie(family={family!r}): choose one of {', '.join(FAMILIES)}")
        if pre_query is not None and system is not None:
            raise UsageError("Magpie: pre_query is the whole text; put the system turn into it")
        if concurrency is not None and concurrency < 1:
            raise UsageError(f"concurrency={concurrency}: at least 1 request at a time")
        self.engine_spec, self.model, self.number = engine, model, count
        shape = FAMILIES[family]
        turn = shape.system.format(TASKS.get(system, system)) if system else ""
        self.pre_query = pre_query if pre_query is not None else turn + shape.user
        self.domain, self.stop = domain, (*stop, *shape.stop)
        self.temperature, self.top_p, self.max_tokens = temperature, top_p, max_tokens
        self.min_words, self.seed = min_words, seed
        self.concurrency, self.store_path = concurrency, Path(store)

    def identity(self) -> dict[str, Any]:
        """Adds what is sent and what kind of engine answers; the URL says nothing of the data."""
        sent = {"pre_query": self.pre_query, "engine": engine_identity(self.engine_spec)}
        return super().identity() | sent

    def run(
        self, data: Iterable[Document] | None = None, rank: int = 0, world_size: int = 1
    ) -> Iterator[Document]:
        if self.context is None:
            raise UsageError("Magpie runs inside a pipeline: curate run FILE")
        with ExitStack() as stack:
            store = stack.enter_context(Store(self.context.project / self.store_path))
            engine = open_engine(
                self.engine_spec,
                model=self.model,
                out=self.context.out,
                store=store,
                slots=self.concurrency,
            )
            fixed = self.concurrency or engine.slots
            start = fixed or engine.default_concurrency
            client = stack.enter_context(Client(engine, store, fixed, start=start))
            yield from self._prompts(engine, self._answers(engine, client, store))
            self._note(engine, client)

    def _answers(
        self, engine: Engine, client: Client, store: Store
    ) -> Iterator[tuple[Request, Completion]]:
        """What the engine said, by number; what comes before its turn waits."""
        ready: dict[int, tuple[Request, Completion]] = {}
        asked = 0
        for k in range(self.number):
            while k not in ready:
                # Asked for up to a distance, so that one slow answer does not fill the memory.
                while asked < min(self.number, k + client.capacity + AHEAD) and client.room > 0:
                    request = self._request(engine, asked)
                    if known := store.get(request):
                        ready[asked] = request, known
                    else:
                        client.ask((asked, request), request)
                    asked += 1
                if k not in ready and (item := client.next()):
                    (number, request), completion = item
                    ready[number] = request, completion
                self._report(client, k)
            yield ready.pop(k)

    def _prompts(
        self, engine: Engine, answers: Iterator[tuple[Request, Completion]]
    ) -> Iterator[Document]:
        """The answers as prompts, those that are good for nothing left out."""
        seen: set[bytes] = set()
        for request, completion in answers:
            self.count("prompts", made=1)
            problem = completion.text.strip()
            prompt = Sample(
                prompt_id=prompt_id("magpie", problem, None),
                problem=problem,
                domain=self.domain,
                source="magpie",
                source_id=f"{engine.model}/{request.key[:16]}",
                license=engine.license,
                language=written_in(problem),
            ).to_document()
            same = bytes.fromhex(digest(" ".join(problem.lower().split()))[:16])
            if completion.finish_reason == "refused":
                self.fail(prompt, "refused", completion.error or "")
            elif reason := self._fault(problem, completion):
                self.drop(prompt, reason)
            elif same in seen:
                self.drop(prompt, "duplicate_prompt")
            else:
                seen.add(same)
                self.count("prompts", out=1)
                yield prompt

    def _fault(self, problem: str, completion: Completion) -> str | None:
        if not re.search(r"\w", problem):
            return "empty"
        if completion.finish_reason == "length":
            return "truncated"
        if _LEAKED.search(problem):
            return "leaked_template"
        return "too_short" if len(words(problem)) < self.min_words else None

    def _request(self, engine: Engine, k: int) -> Request:
        return Request(
            messages=(Turn(role="user", content=self.pre_query),),
            model=engine.model,
            revision=engine.revision,
            kind="completions",
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            stop=self.stop,
            seed=int(digest([self.seed, "magpie", k])[:16], 16) % (1 << SEED_BITS),
        )

    def _report(self, client: Client, decided: int) -> None:
        if self.context:
            self.context.report({"decided": decided, **client.numbers()})

    def _note(self, engine: Engine, client: Client) -> None:
        """Says for the manifest who wrote the prompts."""
        if self.context and self.context.ledger:
            said = {"model": engine.model, "revision": engine.revision, "license": engine.license}
            self.context.ledger.note("magpie", {**said, "asked": self.number})


_LEAKED = re.compile(
    r"<[|\uff5c][^<>\n]{1,40}[|\uff5c]>|\[/?INST\]|</?s>|<(?:start|end)_of_turn>"
    r"|^(?:user|assistant|system)\b\s*(?::|$)",
    re.IGNORECASE | re.MULTILINE,
)
