"""A new project is laid out whole, over nothing that is there, from wheel or checkout."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from curate import project
from curate.errors import UsageError

CHECKOUT = Path(__file__).parents[1]


def files_of(root: Path) -> set[str]:
    """Every file of the three folders, without what Python leaves behind."""
    return {
        str(path.relative_to(root))
        for folder in project.FOLDERS
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize(
    ("marker", "file", "root"),
    [
        pytest.param("pyproject.toml", "pipelines/a.py", ".", id="one folder below the marker"),
        pytest.param("pyproject.toml", "pipelines/deep/er/a.py", ".", id="three folders below"),
        pytest.param("pyproject.toml", "a.py", ".", id="beside the marker"),
        pytest.param("sub/pyproject.toml", "sub/pipelines/a.py", "sub", id="the nearest one"),
        pytest.param("other.toml", "pipelines/a.py", "pipelines", id="no marker: its own folder"),
    ],
)
def test_find_root(tmp_path: Path, marker: str, file: str, root: str) -> None:
    for name in (marker, file):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert project.find_root(tmp_path / file) == (tmp_path / root).resolve()


def test_find_root_takes_the_inner_of_two(tmp_path: Path) -> None:
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    for folder in (inner, inner.parent):
        (folder / "pyproject.toml").write_text("")
    assert project.find_root(inner / "a.py") == inner.resolve()


def test_init_copies_every_file_of_the_three_folders(tmp_path: Path) -> None:
    project.init(tmp_path / "new")
    assert files_of(tmp_path / "new") == files_of(CHECKOUT)
    for name in files_of(CHECKOUT):
        assert (tmp_path / "new" / name).read_bytes() == (CHECKOUT / name).read_bytes()
    assert project.find_root(tmp_path / "new" / "pipelines" / "cold_start.py") == tmp_path / "new"


def test_init_names_the_project_and_what_it_needs(tmp_path: Path) -> None:
    command = project.init(tmp_path / "Math traces")
    written = tomllib.loads((tmp_path / "Math traces" / "pyproject.toml").read_text())
    assert written["project"]["name"] == "math-traces"
    assert written["project"]["dependencies"][0].startswith("curate-datasets[local,gym]>=")
    assert command == f"cd '{tmp_path}/Math traces' && curate run pipelines/cold_start.py"


@pytest.mark.parametrize("name", ["数据", "...", "-"])
def test_init_has_a_name_where_the_folder_gives_none(tmp_path: Path, name: str) -> None:
    assert project.project_name(tmp_path / "x" / name / ".." / name) == "datasets-project"


def test_init_takes_a_folder_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    project.init(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "pipelines" / "cold_start.py").is_file()


@pytest.mark.parametrize("taken", ["pyproject.toml", ".gitignore", "pipelines/cold_start.py"])
def test_init_writes_over_nothing(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).write_text("mine")
    with pytest.raises(UsageError, match=f"has {taken} already, nothing was written"):
        project.init(tmp_path)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [tmp_path / taken]
    assert (tmp_path / taken).read_text() == "mine"


def test_init_twice_names_some_of_what_is_there(tmp_path: Path) -> None:
    project.init(tmp_path / "new")
    with pytest.raises(UsageError, match=r"and \d+ more already, nothing was written"):
        project.init(tmp_path / "new")


def test_init_where_a_file_stands(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("a file")
    with pytest.raises(UsageError, match="cannot lay out a project in"):
        project.init(tmp_path / "new")


def test_wheel_data_goes_before_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "curate"
    for folder in project.FOLDERS:
        (package / "_template" / folder / "__pycache__").mkdir(parents=True)
        (package / "_template" / folder / "a.md").write_text(folder)
        (package / "_template" / folder / "__pycache__" / "a.pyc").write_text("")
    monkeypatch.setattr(project, "__file__", str(package / "project.py"))
    project.init(tmp_path / "new")
    assert files_of(tmp_path / "new") == {f"{folder}/a.md" for folder in project.FOLDERS}
    assert not list((tmp_path / "new").rglob("*.pyc"))


def test_an_installation_without_template_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "__file__", str(tmp_path / "curate" / "project.py"))
    with pytest.raises(UsageError, match="lacks the template folder filters; install it again"):
        project.init(tmp_path / "new")
