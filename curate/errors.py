"""What can go wrong, by what it stops.

    CurateError
    ├── UsageError        what was typed or written is wrong: nothing has started (exit status 2)
    ├── RunError          the run stops; the same command continues it (exit status 1)
    │   ├── AssetError    a pinned file (weights, a language model) cannot be found or fetched
    │   ├── EngineError   no model answers
    │   ├── StoreError    the sample store cannot be read or written
    │   └── FunnelError   the numbers of a stage do not add up
    └── SampleError       one sample fails; it is recorded and counted, the run goes on
        └── Unjudged      no verdict on it: out of time, out of memory, a verifier that died

Every one takes a single message: an exception that cannot be unpickled hangs a pool of workers.
"""


class CurateError(Exception):
    """Anything `curate` itself reports; a person caused it, and its text says what to do next."""


class UsageError(CurateError):
    """What was typed or written is wrong; nothing has started."""


class RunError(CurateError):
    """The run cannot go on; what it has paid for is kept."""


class AssetError(RunError):
    """A pinned file cannot be found, fetched or is not the one it should be."""


class EngineError(RunError):
    """No model answers, or another one than asked for."""


class StoreError(RunError):
    """The sample store cannot be read or written."""


class FunnelError(RunError):
    """A stage's documents do not add up: in + made = out + dropped + failed."""


class SampleError(CurateError):
    """One sample fails; the others go on."""


class Unjudged(SampleError):
    """There is no verdict on a sample, and why; a scorer turns it into a score of None."""
