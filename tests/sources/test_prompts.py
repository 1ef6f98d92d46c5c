"""Prompt files as people have them: every format, every bad row, ids from content only."""

import gzip
import json
import pickle
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from curate.errors import RunError, UsageError
from curate.sample import Sample
from curate.sources import Prompts
from curate.sources.row import Place, Row

SUMS = [{"problem": f"What is {n} + {n}?", "answer": 2 * n} for n in range(20)]
DATA = Path(__file__).parents[2] / "../shared/data"


def lines(rows: list) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def write(path: Path, rows: list) -> Path:
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(lines(rows)))
    elif path.suffix == ".zst":
        path.write_bytes(zstandard.compress(lines(rows)))
    else:
        path.write_bytes(lines(rows))
    return path


@pytest.mark.parametrize("name", ["s.jsonl", "s.jsonl.gz", "s.jsonl.zst", "s.parquet", "s/"])
def test_every_format_gives_the_same_prompts(tmp_path, told, name):
    expected = told(write(tmp_path / "plain" / "s.jsonl", SUMS)).prompts
    if name == "s/":
        write(tmp_path / "s" / "a.jsonl.gz", SUMS[:5])
        write(tmp_path / "s" / "b.parquet", SUMS[5:12])
        write(tmp_path / "s" / "c.jsonl.zst", SUMS[12:])
        (tmp_path / "s" / "README.md").write_text("not a prompt file")
    else:
        write(tmp_path / name, SUMS)
    found = told(name)
    assert found.prompts == expected
    assert [p.source for p in found.prompts] == ["s"] * 20
    assert [p.answer for p in found.prompts] == [str(2 * n) for n in range(20)]
    assert not found.dropped


def test_several_compressed_parts_in_one_file_are_all_read(tmp_path, told):
    for name, press in (("s.jsonl.gz", gzip.compress), ("s.jsonl.zst", zstandard.compress)):
        (tmp_path / name).write_bytes(press(lines(SUMS[:9])) + press(lines(SUMS[9:])))
        assert len(told(name).prompts) == 20


def test_a_row_gives_all_columns_of_a_prompt(tmp_path, told):
    row = {
        **{"id": 17, "problem": " What is 3 + 4? ", "answer": "7", "domain": "sums"},
        **{"source": "school", "license": "MIT", "language": "xx", "verifier": "MathAnswer"},
        **{"grade": 1, "tests": ["a", {"b": None}], "nothing": None},
    }
    (prompt,) = told(write(tmp_path / "s.jsonl", [row])).prompts
    assert prompt == Sample(
        prompt_id=prompt.prompt_id,
        problem=" What is 3 + 4? ",
        answer="7",
        domain="sums",
        source="school",
        source_id="17",
        license="MIT",
        language="xx",
        verifier="MathAnswer",
        check='{"grade":1,"tests":["a",{"b":null}]}',
    )


@pytest.mark.parametrize(
    ("answer", "text", "domain"),
    [
        (7, "7", "math"),
        (-1.5, "-1.5", "math"),
        ("3/4", "3/4", "math"),
        ("$1,200", "$1,200", "math"),
        (10**30, "1" + "0" * 30, "math"),
        ("Paris", "Paris", "general"),
        (None, None, "general"),
    ],
)
def test_the_domain_is_told_by_the_answer(tmp_path, told, answer, text, domain):
    write(tmp_path / "s.jsonl", [{"problem": "?", "answer": answer}])
    (prompt,) = told("s.jsonl").prompts
    assert (prompt.answer, prompt.domain) == (text, domain)


def test_arguments_speak_for_rows_that_do_not(tmp_path, told):
    write(
        tmp_path / "s.jsonl", [SUMS[0], {**SUMS[1], "source": "a", "domain": "b", "language": "c"}]
    )
    silent, own = told("s.jsonl", source="A", domain="B", language="C").prompts
    assert (silent.source, silent.domain, silent.language) == ("A", "B", "C")
    assert (own.source, own.domain, own.language) == ("a", "b", "c")


def test_ids_depend_on_content_only(tmp_path, told):
    shuffled = random.Random(0).sample(SUMS, len(SUMS))
    ids = {p.problem: p.prompt_id for p in told(write(tmp_path / "s.jsonl", SUMS)).prompts}
    assert len(set(ids.values())) == 20
    moved = told(write(tmp_path / "elsewhere" / "s.parquet", shuffled)).prompts
    assert {p.problem: p.prompt_id for p in moved} == ids
    assert [p.problem for p in moved] == [row["problem"] for row in shuffled]
    checked = told(write(tmp_path / "s.jsonl", [{**row, "grade": 1} for row in SUMS])).prompts
    assert not {p.prompt_id for p in checked} & set(ids.values())


def test_an_emitted_dataset_can_be_asked_again_under_the_same_ids(tmp_path, told):
    (prompt,) = told(write(tmp_path / "s.jsonl", [{**SUMS[3], "grade": 1}])).prompts
    rows = [prompt.with_completion(f"It is {k}.", id=f"x-{k}", k=k).to_row() for k in range(2)]
    again = told(write(tmp_path / "dataset.jsonl", rows))
    assert [p.prompt_id for p in again.prompts] == [prompt.prompt_id]
    assert [p.check for p in again.prompts] == ['{"grade":1}']
    assert again.reasons == ["duplicate_prompt"]


def talk(*turns: str) -> list:
    roles = {"s": "system", "u": "user", "a": "assistant"}
    return [{"role": roles[turn[0]], "content": turn[2:]} for turn in turns]


def test_a_conversation_ends_with_the_last_question(tmp_path, told):
    rows = [
        {"messages": talk("u What is 1 + 1?", "a 2", "u And 2 more?", "a 4"), "answer": 4},
        {"messages": talk("u What is 2 + 2?", "a 4", "u And 2 more?"), "answer": 6},
        {"messages": talk("u What is 3 + 4?", "a 7"), "answer": 7},
        {"problem": "What is 5 + 4?", "messages": talk("u Something else"), "answer": 9},
    ]
    first, second, third, fourth = told(write(tmp_path / "s.jsonl", rows)).prompts
    assert [turn["content"] for turn in first.prompt] == ["What is 1 + 1?", "2", "And 2 more?"]
    assert first.problem == second.problem == "And 2 more?"
    assert first.prompt_id != second.prompt_id
    assert (third.problem, third.check, len(third.prompt)) == ("What is 3 + 4?", None, 1)
    assert (fourth.problem, fourth.prompt) == ("What is 5 + 4?", ())


BAD_ROWS = {
    "not JSON": (b'{"problem": "3 +', "not_json", "not JSON: Unterminated string"),
    "not a number": (b'{"problem": "?", "answer": NaN}', "not_json", "not JSON: NaN is not a JSON"),
    "not UTF-8": (b'{"problem": "\xff\xfe"}', "not_json", "not UTF-8"),
    "half a surrogate": (b'{"problem": "\\ud800"}', "not_json", "half of a surrogate pair"),
    "too deep": (b"[" * 200_000, "not_json", "not JSON"),
    "a list": (b'["What is 3 + 4?"]', "not_an_object", "a JSON list, not an object"),
    "a number": (b"17", "not_an_object", "a JSON int, not an object"),
    "no problem": (b'{"question": "3 + 4"}', "no_problem", "no problem or messages; it has ques"),
    "null problem": (b'{"problem": null}', "no_problem", "no problem or messages"),
    "problem a number": (b'{"problem": 7}', "wrong_type", "problem is a number, not text"),
    "problem a list": (b'{"problem": ["?"]}', "wrong_type", "problem is a list, not text"),
    "answer an object": (b'{"problem": "?", "answer": {}}', "wrong_type", "answer is an object"),
    "source a number": (b'{"problem": "?", "source": 1}', "wrong_type", "source is a number"),
    "id a list": (b'{"problem": "?", "id": []}', "wrong_type", "id is a list, not text"),
    "check no JSON": (b'{"problem": "?", "check": "{"}', "wrong_type", "check is not JSON"),
    "check a list": (b'{"problem": "?", "check": "[]"}', "wrong_type", "check is a list, not an"),
    "blank problem": (b'{"problem": " \\n"}', "empty_problem", "the problem is empty"),
    "messages text": (b'{"messages": "?"}', "wrong_type", "messages is text, not a list of turns"),
    "turn without content": (b'{"messages": [{"from": "human"}]}', "wrong_type", "turn 1 of mess"),
    "content in parts": (
        b'{"messages": [{"role": "user", "content": [1]}]}',
        *("wrong_type", "content of turn 1 is a list, not text"),
    ),
    "unknown role": (
        b'{"messages": [{"role": "human", "content": "?"}]}',
        *("wrong_type", "role of turn 1 is 'human', not one of"),
    ),
    "no user turn": (
        b'{"messages": [{"role": "system", "content": "?"}]}',
        *("no_problem", "messages has no user turn"),
    ),
}


@pytest.mark.parametrize(("line", "reason", "wrong"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_is_left_out_with_its_line(tmp_path, told, line, reason, wrong):
    (tmp_path / "s.jsonl").write_bytes(lines(SUMS[:1]) + b"\n" + line + b"\n" + lines(SUMS[1:2]))
    found = told("s.jsonl")
    assert [p.answer for p in found.prompts] == ["0", "2"]
    ((given, detail, document),) = found.dropped
    assert given == reason
    assert detail.startswith(f"s.jsonl:3: {wrong}")
    assert 0 < len(document.text) <= 2_000


def test_a_byte_order_mark_blank_lines_and_no_last_newline_are_no_rows(tmp_path, told):
    text = b"\xef\xbb\xbf" + lines(SUMS).replace(b"\n", b"\r\n\r\n").rstrip()
    (tmp_path / "s.jsonl").write_bytes(text)
    found = told("s.jsonl")
    assert found.numbers == {"into": 20, "out": 20}


def test_a_repeated_prompt_is_asked_once(tmp_path, told):
    write(tmp_path / "s" / "a.jsonl", SUMS[:3])
    write(tmp_path / "s" / "b.jsonl", [SUMS[1], {**SUMS[2], "answer": "4 "}])
    found = told("s")
    assert len(found.prompts) == 3
    assert [(reason, detail) for reason, detail, _ in found.dropped] == [
        ("duplicate_prompt", "b.jsonl:1: the same as a.jsonl:2"),
        ("duplicate_prompt", "b.jsonl:2: the same as a.jsonl:3"),
    ]


@pytest.mark.parametrize("other", [99, None], ids=["another answer", "no answer"])
def test_two_answers_to_one_prompt_leave_both_out(tmp_path, told, other):
    write(tmp_path / "s.jsonl", [*SUMS[:3], {**SUMS[1], "answer": other}, SUMS[1]])
    found = told("s.jsonl")
    assert [p.answer for p in found.prompts] == ["0", "4"]
    assert found.reasons == ["conflicting_answers"] * 3
    for _, detail, document in found.dropped:
        assert "s.jsonl:2 and s.jsonl:4 ask the same and answer differently" in detail
        assert document.text == "What is 1 + 1?"


def test_the_limit_counts_good_distinct_prompts(tmp_path, told):
    rows = [SUMS[0], {"problem": ""}, SUMS[1], SUMS[0], *SUMS[2:], {**SUMS[1], "answer": 0}]
    found = told(write(tmp_path / "s.jsonl", rows), limit=3)
    # SUMS[1] contradicts the last row, far behind the limit.
    assert [p.answer for p in found.prompts] == ["0", "4", "6"]
    assert found.reasons == ["empty_problem", "conflicting_answers", "duplicate_prompt"]
    assert found.numbers["into"] == 6
    assert len(told("s.jsonl", limit=10_000).prompts) == 19


def test_parquet_values_that_json_lacks_become_text_or_null(tmp_path, told):
    table = pa.table(
        {
            "problem": ["What is 3 + 4?", "What is 5 + 4?"],
            "answer": pa.array([7.5, float("nan")]),
            "day": pa.array([1, None], pa.date32()),
            "note": pa.array([None, None], pa.string()),
        }
    )
    pq.write_table(table, tmp_path / "s.parquet")
    first, second = told("s.parquet").prompts
    assert (first.answer, first.check) == ("7.5", '{"day":"1970-01-02"}')
    assert (second.answer, second.check) == (None, None)


def test_parquet_bytes_are_refused_row_by_row(tmp_path, told):
    rows = [{"problem": "?", "image": b"\x89"}, {"problem": "!", "image": None}]
    found = told(write(tmp_path / "s.parquet", rows))
    assert [p.problem for p in found.prompts] == ["!"]
    assert found.dropped[0][:2] == ("wrong_type", "s.parquet:1: image holds what JSON cannot")


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


WRONG_FILES = {
    "missing, a near name": (
        "sms.jsonl",
        None,
        r"no prompt file sms\.jsonl in .*did you mean sums",
    ),
    "missing, no near name": ("x/y.jsonl", None, r"no prompt file x/y\.jsonl: the folder .*x does"),
    "unknown kind": ("a.csv", b"problem\n", r"a\.csv is not a prompt file: .* end in \.jsonl,"),
    "one JSON": ("a.json", b"[]", r"one JSON object a line is \.jsonl"),
    "empty": ("a.jsonl", b"\n\n", r"a\.jsonl is empty: it has no rows"),
    "empty gzip": ("a.jsonl.gz", b"", r"a\.jsonl\.gz is empty: it has no rows"),
    "no problem": (
        "a.jsonl",
        b'{"question": "3 + 4", "gold": 7}\n',
        r"no row with `problem` or `messages`; its columns are question, gold.*`question` to `prob",
    ),
    "no JSON": ("a.jsonl", b"problem,answer\n", r"no row with `problem`.*; a\.jsonl:1: not JSON"),
    "no gzip": ("a.jsonl.gz", b'{"problem": "?"}', r"a\.jsonl\.gz is a torn or damaged gzip file"),
    "no zstd": ("a.jsonl.zst", b'{"problem": "?"}', r"a torn or damaged zstd file: .* past line 0"),
    "no Parquet": ("a.parquet", b'{"problem": "?"}', r"cannot read .*a\.parquet past row 0"),
    "empty folder": ("d/", None, r"d holds no prompt files; they end in \.jsonl, "),
}


@pytest.mark.parametrize(("name", "content", "said"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_wrong_file_is_refused_before_anything_runs(tmp_path, context, name, content, said):
    write(tmp_path / "sums.jsonl", SUMS)
    (tmp_path / "d").mkdir()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=said):
        Prompts(name).prepare(context)


@pytest.mark.parametrize("name", ["s.jsonl.gz", "s.jsonl.zst"])
def test_a_torn_file_is_never_silently_short(tmp_path, told, name):
    rows = [{"problem": f"{n} {random.Random(n).random()}"} for n in range(5_000)]
    torn(write(tmp_path / name, rows))
    with pytest.raises(
        UsageError, match=r"torn or damaged .* past line .*copy or download it again"
    ):
        told(name, limit=1)


class Restless:
    """Gives other rows each time, as a file does that is being written."""

    name, reads_all, passes = "restless", True, 0

    def check(self) -> None: ...

    def rows(self):
        self.passes += 1
        yield Row(Place("restless", 1), {"problem": f"What is {self.passes} + 1?"})


def test_rows_that_change_while_they_are_read_stop_the_run(context):
    step = Prompts("s.jsonl")
    step.rows_of = Restless()
    with pytest.raises(RunError, match="changed while they were read"):
        list(step.run())


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_is_at_least_one(limit):
    with pytest.raises(UsageError, match=rf"at least 1, not {limit}"):
        Prompts("s.jsonl", limit=limit)


def test_what_it_is_does_not_depend_on_where_it_lies(tmp_path, context):
    near = Prompts(str(write(tmp_path / "a" / "s.jsonl", SUMS)), limit=3)
    far = Prompts(str(write(tmp_path / "b" / "s.jsonl", SUMS)), limit=3)
    near.prepare(context)
    far.prepare(context)
    assert near.identity() == far.identity()
    assert near.identity() != Prompts("s.jsonl", limit=4).identity()
    assert near.files() == [tmp_path / "a" / "s.jsonl"]
    moved = pickle.loads(pickle.dumps(near))
    moved.prepare(context)
    assert len(list(moved.run())) == 3


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the shared data folder beside the checkout")
@pytest.mark.parametrize(
    ("name", "rows", "conflicts"),
    [
        *(("cmath.jsonl", 600, 0), ("countdown.jsonl", 994, 0), ("gsm8k_test.jsonl.gz", 1319, 0)),
        *(("gsm8k_train.jsonl.gz", 7473, 0), ("humaneval.jsonl.gz", 164, 0)),
        *(
            ("identity.jsonl", 91, 4),
            ("ifeval.jsonl", 541, 0),
            ("knights_knaves.jsonl.gz", 1370, 0),
        ),
        *(("math500.jsonl", 500, 0), ("math_test.jsonl.gz", 5000, 0)),
        *(("math_train.jsonl.gz", 7474, 0), ("mbpp.jsonl.gz", 974, 0)),
        *(("self_instruct_seeds.jsonl", 175, 0), ("traces_math500.jsonl.gz", 70, 0)),
    ],
)
def test_real_files_are_read_whole(told, name, rows, conflicts):
    found = told(DATA / name)
    assert found.numbers["into"] == rows
    assert found.reasons == ["conflicting_answers"] * conflicts
    assert all(prompt.license for prompt in found.prompts)
