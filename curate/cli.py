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
from typing import Any

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

    init = commands.add_parser(
        "init", help="lay out a new project with filters, pipelines and cards"
    )
    init.add_argument("directory", metavar="DIR", help="the folder to make")
    init.set_defaults(act=act_init)
    return parser


def add_run(commands: Any) -> None:
    """`curate run`: its `--help` after a FILE is the pipeline's, so it is no option of argparse."""
    run = commands.add_parser(
        "run", help="run a pipeline; the same command again continues it", add_help=False
    )
    run.add_argument(
        "file", nargs="?", metavar="FILE[@NAME]", help="a pipeline file, and which pipeline of it"
    )
    run.add_argument(
        "parameters", nargs="*", metavar="key=value", help="the pipeline's own parameters"
    )
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
        help="tasks that run at the same time (default: one a core)",
    )
    run.add_argument(
        "--dry-run", action="store_true", help="show stages and parameters, run nothing"
    )
    run.add_argument(
        "--replace", action="store_true", help="remove the run that is there and make it anew"
    )
    run.add_argument(
        "-h",
        "--help",
        action="store_true",
        help="show this, or after FILE the pipeline's parameters",
    )
    run.set_defaults(act=act_run, parser=run)


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
        return complain("stopped; the same command continues where it was", STOPPED)
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
    run = Run(pipeline, typed, Options(options.tasks, options.workers, options.replace, command))
    if options.dry_run:
        from curate.run.describe import describe_plan

        out(describe_plan(run))
        return DONE
    run.go()
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


def act_init(options: argparse.Namespace, words: Sequence[str]) -> int:
    from curate.project import init

    out(str(init(Path(options.directory))))
    return DONE


if __name__ == "__main__":
    sys.exit(main())
