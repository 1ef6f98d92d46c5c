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

from curate.arguments import build_parser
from curate.errors import CurateError, UsageError

DONE, FAILED, WRONG, STOPPED = 0, 1, 2, 130


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
        return ACTS[options.command](options, words)
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


ACTS = {
    "run": act_run,
    "plan": act_plan,
    "why": act_why,
    "report": act_report,
    "score": act_score,
    "audit": act_audit,
    "publish": act_publish,
    "export": act_export,
    "diff": act_diff,
    "reproduce": act_reproduce,
    "store": act_store,
    "init": act_init,
}
"""What a command does, by its name."""


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
