"""A project on disk: where its root is, and how `curate init` lays out a new one.

A project is a folder with `pyproject.toml`, `filters/`, `pipelines/` and `cards/`. This repository
is one, and every user's looks the same.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from curate import __version__
from curate.errors import UsageError

FOLDERS = ("filters", "pipelines", "cards")

PYPROJECT = """\
# Marks the root of the project: paths written in a pipeline count from here, and so do imports,
# as in `from filters import correct_answer`.
[project]
name = "{name}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["curate-datasets[local,gym]>={version}"]

# The folders are run in place by `curate run`, not installed.
[tool.uv]
package = false

# What tasks get with `curate run FILE --executor slurm`; here nodes with 8 H100 for what generates.
# [tool.curate.executors.slurm]
# partition = "cpu"
# time = "24:00:00"
# cpus = 4
# memory_gb = 16
#
# [tool.curate.executors.slurm.Generate]
# partition = "h100"
# time = "72:00:00"
# gpus = 8
# cpus = 96
# memory_gb = 1500
# setup = ["module load cuda"]
# sbatch = {{ exclusive = true }}
"""

GITIGNORE = """\
.venv/
__pycache__/
/runs/
"""


def find_root(file: Path) -> Path:
    """The nearest folder upward from a file that has a `pyproject.toml`, else the file's folder."""
    folder = file.resolve().parent
    for candidate in (folder, *folder.parents):
        if (candidate / "pyproject.toml").is_file():
            return candidate
    return folder


def template_root() -> Path:
    """Where a new project's folders come from: the wheel's data, in a checkout its own folders."""
    package = Path(__file__).parent
    wheel_data = package / "_template"
    return wheel_data if wheel_data.is_dir() else package.parent


def template_files() -> dict[Path, Path]:
    """What a new project gets copies of: the path in the project, and the file that is copied."""
    root = template_root()
    found = (path for folder in FOLDERS for path in (root / folder).rglob("*"))
    files = {
        path.relative_to(root): path
        for path in sorted(found)
        if path.is_file() and "__pycache__" not in path.parts
    }
    if missing := [folder for folder in FOLDERS if not any(f.parts[0] == folder for f in files)]:
        raise UsageError(
            f"this installation of curate lacks the template folder {missing[0]}; "
            "install it again: pip install --force-reinstall curate-datasets"
        )
    return files


def init(directory: Path) -> str:
    """Lays out a new project and gives the command that runs its first pipeline.

    A folder that has a file of the same name already is refused before anything is written, one
    that cannot be written to when that shows (both UsageError).
    """
    copies = template_files()
    written = {
        Path("pyproject.toml"): PYPROJECT.format(name=project_name(directory), version=__version__),
        Path(".gitignore"): GITIGNORE,
    }
    if taken := sorted(str(path) for path in (*copies, *written) if (directory / path).exists()):
        more = f" and {len(taken) - 3} more" if len(taken) > 3 else ""
        raise UsageError(
            f"{directory} has {', '.join(taken[:3])}{more} already, nothing was written; "
            "name a new folder: curate init DIR"
        )
    try:
        for path, origin in copies.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin, directory / path)
        for path, text in written.items():
            (directory / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot lay out a project in {directory}: {error.strerror or error} "
            f"({error.filename}); name another folder: curate init DIR"
        ) from error
    return f"cd {shlex.quote(str(directory))} && curate run pipelines/cold_start.py"


def project_name(directory: Path) -> str:
    """A name that packaging tools take, from the folder's; `datasets-project` if nothing is left.

    >>> project_name(Path("Math traces (v2)"))
    'math-traces-v2'
    """
    name = re.sub(r"[^a-z0-9]+", "-", directory.resolve().name.lower()).strip("-")
    return name or "datasets-project"
