"""10,000 parameter strings arrive equal or are refused, and none of them is ever executed."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.runner.harness import Bench

COUNT = 10_000
PER_RUN = 1_000

FLOW = """
    from metaflow import FlowSpec, Parameter, step

    class Strings(FlowSpec):
        PARAMETERS

        @step
        def start(self):
            self.next(self.end)

        @step
        def end(self):
            pass

    if __name__ == "__main__":
        Strings()
"""

PIECES = [
    *[
        "'",
        '"',
        "\\",
        "`",
        "$",
        "$(touch canary)",
        "`touch canary`",
        "; touch canary",
        "| touch canary",
        "&& touch canary",
    ],
    *["\n", "\r\n", "\t", "\0", "\x07", "\x1b[31m", "\x7f", "\x85", " ", "  ", "", "=", "-", "--", "--word=x", ","],
    *[
        "{{workflow.name}}",
        "{{=1+1}}",
        "{{",
        "}}",
        "{",
        "}",
        "%s",
        "%d",
        "${HOME}",
        "~",
        "*",
        "#",
        "!",
        "@file",
        "null",
    ],
    *[
        "é",
        "ß",
        "日本語",
        "😀",
        "\u200b",
        "\u202e",
        "\ufeff",
        "\ufffe",
        "\U0010ffff",
        "\U000e0001",
        "e\u0301",
        "\ud800",
    ],
    *["true", "0", "1e309", "NaN", "[]", '{"a": 1}', "<script>", "../..", "/etc/passwd", "C:\\\\x", "eval(1)"],
]


def strings(seed: int, count: int) -> list[str]:
    """Built of what has broken shells, templates and parsers, and of any character of any plane."""
    chance = random.Random(seed)

    def one() -> str:
        pieces = [
            chance.choice(PIECES) if chance.random() < 0.7 else chr(chance.randrange(0x110000))
            for _ in range(chance.randrange(12))
        ]
        return "".join(pieces)

    found = [one() for _ in range(count - 2)]
    return [*found, "x" * 100_000, "".join(chance.choice(PIECES) for _ in range(12_000))]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(COUNT // PER_RUN))
def test_generated_strings_arrive_as_they_were_given(tmp_path: Path, seed: int) -> None:
    """In batches, as parameters of one run each; read back from the datastore by another process."""
    given = {f"p{number}": text for number, text in enumerate(strings(seed, PER_RUN))}
    lines = "\n        ".join(f'{name} = Parameter("{name}", default="d")' for name in given)
    bench = Bench.with_flow(tmp_path, FLOW.replace("PARAMETERS", lines))
    # The text of one argument has a limit on Linux; the file stands for what Argo would have refused to send.
    (tmp_path / "given.json").write_text(json.dumps([{"name": name, "value": text} for name, text in given.items()]))
    program = (
        "import sys; from pathlib import Path; from platform_cli.runner.main import main\n"
        "sys.argv = [*sys.argv, '--parameters=' + Path('given.json').read_text()]\nsys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *bench.command("start")[1:]],
        cwd=tmp_path,
        env=bench.variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    program = (
        "import json, metaflow; metaflow.namespace(None); data = metaflow.Run('Strings/argo-x')['start'].task.data\n"
        f"print(json.dumps([getattr(data, f'p{{n}}') for n in range({PER_RUN})]))"
    )
    seen = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=bench.variables, capture_output=True, text=True, check=True
    )
    assert json.loads(seen.stdout.splitlines()[-1]) == list(given.values())
    assert not list(tmp_path.rglob("canary*"))


def test_a_string_is_an_argument_of_a_real_process_unchanged(tmp_path: Path) -> None:
    text = 'it\'s "q"\n$(touch canary) `touch canary` {{workflow.name}} é😀 --word=x'
    bench = Bench.with_flow(tmp_path, FLOW.replace("PARAMETERS", 'word = Parameter("word", default="d")'))
    bench.done("start", "", "--parameters=" + json.dumps([{"name": "word", "value": text}], ensure_ascii=False))
    assert bench.client("run['start'].task.data.word") == text
    assert not list(tmp_path.rglob("canary*"))


TYPED = """
    import json
    from metaflow import FlowSpec, JSONType, Parameter, IncludeFile, step

    class Typed(FlowSpec):
        whole = Parameter("whole", type=int, default=1)
        number = Parameter("number", type=float, default=1.5)
        flag = Parameter("flag", type=bool, default=True)
        table = Parameter("table", type=JSONType, default={"a": [1]})
        parts = Parameter("parts", separator=",", default="a,b")
        maybe = Parameter("maybe", type=str)
        dashed = Parameter("dashed-name", default="d")
        text = IncludeFile("text", default="included.txt")

        @step
        def start(self):
            self.seen = [self.whole, self.number, self.flag, self.table, self.parts, self.maybe, self.dashed, self.text]
            self.next(self.end)

        @step
        def end(self):
            pass

    if __name__ == "__main__":
        Typed()
"""


def seen(bench: Bench, **given: str) -> object:
    entries = [{"name": name.replace("dashed_name", "dashed-name"), "value": value} for name, value in given.items()]
    bench.done("start", "", "--parameters=" + json.dumps(entries))
    return bench.client("run['start'].task.data.seen")


def test_parameters_of_every_type_take_their_defaults(tmp_path: Path) -> None:
    bench = Bench.with_flow(tmp_path, TYPED)
    (tmp_path / "included.txt").write_text("from a file\n")
    # What a template writes for a parameter without a default.
    assert seen(bench, maybe="") == [1, 1.5, True, {"a": [1]}, ["a", "b"], None, "d", "from a file\n"]


def test_parameters_of_every_type_take_what_argo_hands_over_as_text(tmp_path: Path) -> None:
    bench = Bench.with_flow(tmp_path, TYPED)
    (tmp_path / "other.txt").write_text("another file\n")
    given = {"whole": "-7", "number": "2e3", "flag": "false", "table": '{"b": null}', "parts": "x,y,z", "maybe": "m"}
    assert seen(bench, **given, dashed_name="-", text="other.txt") == [
        *[-7, 2000.0, False, {"b": None}, ["x", "y", "z"], "m", "-", "another file\n"]
    ]
