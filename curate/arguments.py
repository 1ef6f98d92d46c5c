"""The commands of the command line and their options; what they do is in `curate.cli`."""

from __future__ import annotations

import argparse
from typing import Any

from curate import __version__


def build_parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(
        prog="curate",
        description="Datasets for reasoning models: asks until enough answers are good.",
    )
    parser.add_argument("--version", action="version", version=f"curate {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    add_run(commands)
    add_plan(commands)
    why = commands.add_parser(
        "why", help="one sample's story: every verdict, why it stayed or went"
    )
    why.add_argument("run", metavar="RUN", help="a run directory")
    why.add_argument("id", metavar="ID", help="id of a sample or a prompt, or the beginning of one")

    report = commands.add_parser(
        "report", help="funnel, lengths, yields, reasons; writes RUN/report.html too"
    )
    report.add_argument("run", metavar="RUN", help="a run directory")

    add_score(commands)
    add_audit(commands)

    store = commands.add_parser("store", help="what is in a sample store; verify, compact")
    store.add_argument("directory", metavar="DIR", help="a sample store, such as runs/store")
    store.add_argument(
        "--verify",
        action="store_true",
        help="list every record that cannot be read back; exit status 1 when one is damaged",
    )
    store.add_argument(
        "--compact",
        action="store_true",
        help="merge small segments, drop what can never be served; safe while runs go on",
    )

    add_publish(commands)
    add_diff(commands)
    add_export(commands)

    init = commands.add_parser(
        "init", help="lay out a new project with filters, pipelines and cards"
    )
    init.add_argument("directory", metavar="DIR", help="the folder to make")
    return parser


def add_pipeline(parser: argparse.ArgumentParser) -> None:
    """FILE, its parameters, and the `--help` that is the pipeline's, so no option of argparse."""
    parser.add_argument(
        "file", nargs="?", metavar="FILE[@NAME]", help="a pipeline file, and which pipeline of it"
    )
    parser.add_argument(
        "parameters", nargs="*", metavar="key=value", help="the pipeline's own parameters"
    )
    parser.add_argument(
        "-h",
        "--help",
        action="store_true",
        help="show this, or after FILE the pipeline's parameters",
    )


def add_run(commands: Any) -> None:
    """`curate run`."""
    run = commands.add_parser(
        "run", help="run a pipeline; the same command again continues it", add_help=False
    )
    add_pipeline(run)
    run.add_argument(
        "--tasks",
        type=positive,
        default=1,
        metavar="N",
        help="parts that the prompts are dealt to (default 1)",
    )
    run.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="tasks that run at the same time (default: one a core, on a cluster all)",
    )
    run.add_argument(
        "--executor",
        choices=("local", "slurm", "ray"),
        default="local",
        metavar="NAME",
        help="where tasks run: local, slurm or ray (default local)",
    )
    run.add_argument(
        "--dry-run", action="store_true", help="show stages and parameters, run nothing"
    )
    run.add_argument(
        "--replace", action="store_true", help="remove the run that is there and make it anew"
    )
    run.set_defaults(parser=run)


def add_plan(commands: Any) -> None:
    """`curate plan FILE`, and without a FILE `curate plan --serve MODEL`."""
    plan = commands.add_parser(
        "plan", help="what a run will take, from a pilot; or how to serve a model", add_help=False
    )
    add_pipeline(plan)
    plan.add_argument(
        "--pilot",
        type=positive,
        default=20,
        metavar="N",
        help="prompts that are tried, the first of the source (default 20)",
    )
    add_serving(plan)
    plan.add_argument("--json", action="store_true", help="the same as JSON")
    plan.set_defaults(parser=plan)


def add_judging(parser: argparse.ArgumentParser) -> None:
    """SCORER, FILE and what `score` and `audit` share."""
    parser.add_argument(
        "scorer",
        metavar="SCORER[:k=v,...]",
        help="a rule with its parameters, as in Length:maximum=9",
    )
    parser.add_argument(
        "file", metavar="FILE", help="rows with `completion`, as JSON lines or Parquet"
    )
    parser.add_argument(
        "--workers", type=positive, metavar="N", help="processes that judge (default: one a core)"
    )


def add_score(commands: Any) -> None:
    """`curate score SCORER FILE`."""
    score = commands.add_parser("score", help="judge the rows of a file")
    add_judging(score)
    score.add_argument(
        "--out",
        metavar="FILE",
        help="where each row goes with `score` and `reason` (default: standard output)",
    )


def add_audit(commands: Any) -> None:
    """`curate audit SCORER FILE`."""
    audit = commands.add_parser(
        "audit", help="compare a rule with known verdicts, the column `expected`"
    )
    add_judging(audit)
    audit.add_argument("--out", metavar="FILE", help="where the rows with a wrong verdict go")
    audit.add_argument(
        "--tolerance",
        type=float,
        default=1e-6,
        metavar="X",
        help="how far a score may be from the expected one (default 1e-6)",
    )
    audit.add_argument(
        "--save",
        action="store_true",
        help="keep the figures in the project's cards/audits.json, for the cards of its datasets",
    )


def add_serving(plan: argparse.ArgumentParser) -> None:
    """The options of `curate plan --serve MODEL`."""
    plan.add_argument(
        "--serve",
        metavar="MODEL",
        help="how to serve this model, by name or by the path of its config.json",
    )
    plan.add_argument(
        "--gpus", default="8xH100", metavar="NxGPU", help="for --serve, as 16xH100 (default 8xH100)"
    )
    plan.add_argument(
        "--context",
        type=positive,
        metavar="N",
        help="for --serve: tokens of the longest request (default 32768, or what the model takes)",
    )
    plan.add_argument(
        "--mean-tokens",
        type=positive,
        default=6000,
        metavar="N",
        help="for --serve: tokens of a mean request, prompt included (default 6000, as R1's)",
    )
    plan.add_argument(
        "--kv-dtype",
        choices=("auto", "fp8"),
        default="auto",
        metavar="TYPE",
        help="for --serve: auto (16 bits) or fp8 for the KV cache",
    )
    plan.add_argument(
        "--gpu-memory",
        type=share,
        default=0.9,
        metavar="SHARE",
        help="for --serve: the part of a GPU that vLLM may take (default 0.9)",
    )
    plan.add_argument(
        "--no-mla", action="store_true", help="for --serve: without latent attention in the cache"
    )


def add_publish(commands: Any) -> None:
    """`curate publish DIR REPO`."""
    publish = commands.add_parser(
        "publish", help="release a dataset on the Hub: one commit, one tag; again = nothing"
    )
    publish.add_argument("directory", metavar="DIR", help="a dataset folder or a run directory")
    publish.add_argument("repo", metavar="REPO", help="OWNER/NAME of the dataset on the Hub")
    publish.add_argument(
        "--version",
        dest="to_version",
        metavar="X.Y.Z",
        help="the version (default: what follows from the changes; the first is 1.0.0)",
    )
    publish.add_argument(
        "--dry-run", action="store_true", help="show version, files, bytes and card; write nothing"
    )
    publish.add_argument("--private", action="store_true", help="only its owner may read it")
    publish.add_argument(
        "--gated",
        choices=("auto", "manual"),
        metavar="WAY",
        help="who reads it asks first: auto (is let in) or manual (waits for the owner)",
    )
    publish.add_argument(
        "--pull-request",
        action="store_true",
        help="propose it only; the same command after the merge makes the tag",
    )
    publish.add_argument(
        "--overwrite",
        action="store_true",
        help="replace what somebody else changed in the dataset's files on the Hub",
    )
    publish.add_argument(
        "--verify",
        action="store_true",
        help="download the version afterwards and compare every file",
    )


def add_diff(commands: Any) -> None:
    """`curate diff A B` and `curate reproduce A`."""
    diff = commands.add_parser("diff", help="what changed between two datasets, releases or runs")
    diff.add_argument("a", metavar="A", help="a dataset folder, a run or hub:NAME@REVISION")
    diff.add_argument("b", metavar="B", help="the other one")
    diff.add_argument("--ids", action="store_true", help="list every id that differs: + - ~")
    diff.add_argument("--json", action="store_true", help="the same as JSON, nothing cut")
    again = commands.add_parser(
        "reproduce", help="how to make a dataset again, and what would differ"
    )
    again.add_argument("what", metavar="WHAT", help="a dataset folder, a run or hub:NAME@VERSION")
    again.add_argument(
        "--store", metavar="DIR", help="a sample store to replay from (default: the run's own)"
    )
    again.add_argument("--into", metavar="FOLDER", help="lay out a project that makes it again")


def add_export(commands: Any) -> None:
    """`curate export DIR FORMAT OUT`."""
    export = commands.add_parser("export", help="a dataset in the format of another trainer")
    export.add_argument("directory", metavar="DIR", help="a dataset folder or a run directory")
    export.add_argument(
        "form", metavar="FORMAT", help="trl, sharegpt, llama-factory, verl or openrlhf"
    )
    export.add_argument("out", metavar="OUT", help="a new folder for the files")


def share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"a number above 0, at most 1, not {text!r}")
    return value


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1, not {text!r}")
    return int(text)
