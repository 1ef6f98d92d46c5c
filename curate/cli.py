"""The command line: `curate run pipelines/cold_start.py limit=10`.

Light on purpose: what a command needs is imported when it runs, so that `curate --help` answers at
once.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from curate import __version__
from curate.errors import CurateError, UsageError

DONE, FAILED, WRONG, STOPPED = 0, 1, 2, 130


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
    why.set_defaults(act=act_why)

    report = commands.add_parser(
        "report", help="funnel, lengths, yields, reasons; writes RUN/report.html too"
    )
    report.add_argument("run", metavar="RUN", help="a run directory")
    report.set_defaults(act=act_report)

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
    store.set_defaults(act=act_store)

    add_publish(commands)
    add_diff(commands)
    add_export(commands)

    init = commands.add_parser(
        "init", help="lay out a new project with filters, pipelines and cards"
    )
    init.add_argument("directory", metavar="DIR", help="the folder to make")
    init.set_defaults(act=act_init)
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
    run.set_defaults(act=act_run, parser=run)


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
    plan.set_defaults(act=act_plan, parser=plan)


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
    score.set_defaults(act=act_score)


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
    audit.set_defaults(act=act_audit)


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
    publish.set_defaults(act=act_publish)


def add_diff(commands: Any) -> None:
    """`curate diff A B` and `curate reproduce A`."""
    diff = commands.add_parser("diff", help="what changed between two datasets, releases or runs")
    diff.add_argument("a", metavar="A", help="a dataset folder, a run or hub:NAME@REVISION")
    diff.add_argument("b", metavar="B", help="the other one")
    diff.add_argument("--ids", action="store_true", help="list every id that differs: + - ~")
    diff.add_argument("--json", action="store_true", help="the same as JSON, nothing cut")
    diff.set_defaults(act=act_diff)
    again = commands.add_parser(
        "reproduce", help="how to make a dataset again, and what would differ"
    )
    again.add_argument("what", metavar="WHAT", help="a dataset folder, a run or hub:NAME@VERSION")
    again.add_argument(
        "--store", metavar="DIR", help="a sample store to replay from (default: the run's own)"
    )
    again.add_argument("--into", metavar="FOLDER", help="lay out a project that makes it again")
    again.set_defaults(act=act_reproduce)


def add_export(commands: Any) -> None:
    """`curate export DIR FORMAT OUT`."""
    export = commands.add_parser("export", help="a dataset in the format of another trainer")
    export.add_argument("directory", metavar="DIR", help="a dataset folder or a run directory")
    export.add_argument(
        "form", metavar="FORMAT", help="trl, sharegpt, llama-factory, verl or openrlhf"
    )
    export.add_argument("out", metavar="OUT", help="a new folder for the files")
    export.set_defaults(act=act_export)


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


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status: 0 done, 1 the run failed, 2 wrong command line, 130
    stopped.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser()
    options, rest = parser.parse_known_args(words)
    late = [word for word in rest if "=" in word and not word.startswith("-")]
    if len(late) < len(rest):
        parser.error(f"unrecognized arguments: {' '.join(w for w in rest if w not in late)}")
    if late:
        options.parameters += late
    signal.signal(signal.SIGTERM, stop)
    try:
        return options.act(options, words)
    except UsageError as error:
        return complain(error, WRONG)
    except CurateError as error:
        return complain(error, FAILED)
    except KeyboardInterrupt:
        resumes = options.command in ("run", "plan", "publish")
        after = "the same command continues where it was" if resumes else "--out is as it was"
        said = f"; {after}" if resumes or options.command in ("score", "audit") else ""
        return complain(f"stopped{said}", STOPPED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return DONE
    except OSError as error:
        from curate.run.failures import say_oserror

        return complain(say_oserror(error), FAILED)


def stop(*_: Any) -> None:
    raise KeyboardInterrupt


def complain(what: object, status: int) -> int:
    sys.stderr.write(f"curate: {what}\n")
    return status


def out(text: str) -> None:
    sys.stdout.write(text.rstrip("\n") + "\n")


def act_run(options: argparse.Namespace, words: Sequence[str]) -> int:
    if not options.file:
        if options.help:
            out(options.parser.format_help())
            return DONE
        raise UsageError("say which pipeline: curate run pipelines/cold_start.py")
    from curate.run.load import load, read_parameters

    pipeline = load(options.file)
    if options.help:
        from curate.run.describe import describe_parameters

        out(describe_parameters(pipeline, options.file))
        return DONE
    typed = read_parameters(pipeline, options.parameters)
    from curate.run.run import Options, Run

    command = shlex.join(["curate", *words])
    how = Options(options.tasks, options.workers, options.replace, command, options.executor)
    run = Run(pipeline, typed, how)
    if options.dry_run:
        from curate.run.describe import describe_plan

        out(describe_plan(run))
        return DONE
    run.go()
    return DONE


def act_plan(options: argparse.Namespace, words: Sequence[str]) -> int:
    if options.help and not options.file:
        out(options.parser.format_help())
        return DONE
    if options.serve and options.file:
        raise UsageError("--serve MODEL takes no FILE: it is a plan of its own")
    if options.serve:
        from curate.engines.capacity import Need, serving_text

        need = Need(
            context=options.context,
            mean_tokens=options.mean_tokens,
            kv_bytes=1 if options.kv_dtype == "fp8" else 2,
            gpu_memory=options.gpu_memory,
            mla=not options.no_mla,
        )
        out(serving_text(options.serve, options.gpus, need, as_json=options.json))
        return DONE
    if not options.file:
        raise UsageError(
            "say which pipeline, as in curate plan pipelines/cold_start.py, or which model, as in "
            "curate plan --serve Qwen/QwQ-32B"
        )
    from curate.run.load import load, read_parameters

    pipeline = load(options.file)
    if options.help:
        from curate.run.describe import describe_parameters

        out(describe_parameters(pipeline, options.file).replace("curate run", "curate plan"))
        return DONE
    from curate.run.forecast import plan_text

    typed = read_parameters(pipeline, options.parameters)
    out(plan_text(pipeline, typed, options.pilot, as_json=options.json))
    return DONE


def act_why(options: argparse.Namespace, words: Sequence[str]) -> int:
    from curate.run.report import story

    out(story(Path(options.run), options.id))
    return DONE


def act_report(options: argparse.Namespace, words: Sequence[str]) -> int:
    from curate.run.report import text_report, write_html

    out(text_report(Path(options.run)))
    out(f"The same with pictures: {write_html(Path(options.run))}")
    return DONE


def act_score(options: argparse.Namespace, words: Sequence[str]) -> int:
    from curate.run.score import score_file
    from curate.scorers.scorer import scorer_from

    to = Path(options.out) if options.out else None
    scorer = scorer_from(options.scorer)
    summary = score_file(scorer, Path(options.file), out=to, workers=options.workers)
    if to:
        out(str(summary))
    else:
        sys.stderr.write(f"{summary}\n")
    return DONE


def act_audit(options: argparse.Namespace, words: Sequence[str]) -> int:
    from curate.run.audit import audit_file, save
    from curate.scorers.scorer import scorer_from

    file, to = Path(options.file), Path(options.out) if options.out else None
    audit = audit_file(
        scorer_from(options.scorer),
        file,
        out=to,
        workers=options.workers,
        tolerance=options.tolerance,
    )
    out(str(audit))
    if options.save:
        from curate.project import find_root

        out(f"kept in {save(audit, find_root(Path.cwd() / 'x'), file)}")
    return DONE


def act_publish(options: argparse.Namespace, words: Sequence[str]) -> int:
    from curate.sinks.release import Wishes, dry_run, publish
    from curate.sinks.release_text import Progress, conclusion

    wishes = Wishes(
        options.to_version,
        private=options.private,
        gated=options.gated,
        pull_request=options.pull_request,
        overwrite=options.overwrite,
        verify=options.verify,
    )
    folder = Path(options.directory)
    if options.dry_run:
        out(dry_run(folder, options.repo, wishes))
        return DONE
    shown = Progress()
    try:
        done = publish(folder, options.repo, wishes, report=shown.report, say=shown.say)
    finally:
        shown.end()
    out(conclusion(done))
    return DONE


def act_export(options: argparse.Namespace, words: Sequence[str]) -> int:
    from curate.sinks.export import export

    for path, rows in export(Path(options.directory), options.form, Path(options.out)):
        out(f"{path}: {rows:,} rows")
    return DONE


def act_diff(options: argparse.Namespace, words: Sequence[str]) -> int:
    from curate.sinks.difference_show import show

    show(options.a, options.b, out, ids=options.ids, as_json=options.json)
    return DONE


def act_reproduce(options: argparse.Namespace, words: Sequence[str]) -> int:
    from curate.sinks.reproduce import lay_out, text
    from curate.sinks.reproduce_record import open_record

    record = open_record(options.what, store=options.store)
    out(text(record))
    if options.into:
        out(f"\n{lay_out(record, Path(options.into))}")
    return DONE


def act_store(options: argparse.Namespace, words: Sequence[str]) -> int:
    from curate.engines.compact import compact
    from curate.engines.inventory import describe, take_inventory

    folder, broken = Path(options.directory), frozenset[Path]()
    if options.verify or not options.compact:
        inventory = take_inventory(folder, say=out if options.verify else None)
        out(describe(inventory))
        broken = frozenset(inventory.broken)
    if options.compact:
        out(str(compact(folder, damaged=broken)))
    return FAILED if options.verify and broken else DONE


def act_init(options: argparse.Namespace, words: Sequence[str]) -> int:
    from curate.project import init

    out(str(init(Path(options.directory))))
    return DONE


def entry() -> NoReturn:
    """Runs a command and ends the process with its status."""
    status = main()
    if "ray" in sys.modules:
        # A thread of datatrove may wait for ever for a Ray that is gone, and Python for that thread
        # (measured: a run that had failed and said so did not end).
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    entry()
