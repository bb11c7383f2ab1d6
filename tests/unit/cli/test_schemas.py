"""What --json prints is what `platform schema` promises."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path

import click
import jsonschema
import pytest

from platform_cli import metrics
from platform_cli.cli import main as frame
from platform_cli.cli.schema import FOLDER
from tests.unit.cli.frame import platform


def commands_with_json() -> Iterator[str]:
    for verb, (module, _) in frame.VERBS.items():
        command = importlib.import_module(module).command
        parts = (
            {f"{verb}-{name}": part for name, part in command.commands.items()}
            if isinstance(command, click.Group)
            else {verb: command}
        )
        for name, part in parts.items():
            if any("--json" in parameter.opts for parameter in part.params):
                yield name


def check(name: str, text: str) -> object:
    """Validate one command's output; returns the document."""
    schema = json.loads((FOLDER / f"{name}.json").read_text())
    document = json.loads(text)
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(document)
    return document


def test_every_command_that_prints_json_has_a_schema_and_no_schema_is_left_over():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(commands_with_json())


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_every_schema_is_valid_and_lets_nothing_unknown_pass(path: Path):
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    objects = [schema, schema.get("items", {})]
    assert all(part["additionalProperties"] is False for part in objects if part.get("type") == "object")


def test_schema_prints_the_schema_of_a_command(tmp_path: Path):
    done = platform("schema", "scores", "list", folder=tmp_path)
    assert json.loads(done.stdout)["title"] == "platform scores list --json"


def test_schema_without_a_command_lists_them(tmp_path: Path):
    assert "scores verify" in platform("schema", folder=tmp_path).stdout.splitlines()


def test_schema_of_a_command_without_json_is_not_found(tmp_path: Path):
    done = platform("schema", "completio", folder=tmp_path)
    assert done.returncode == 6
    assert 'no command "completio" prints JSON' in done.stderr


@pytest.mark.parametrize("verb", ["version", "settings"])
def test_what_is_printed_is_what_the_schema_says(verb: str, tmp_path: Path):
    done = platform(verb, "--json", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    check(verb, done.stdout)


def test_metrics_are_printed_as_the_schema_says_and_as_prometheus_reads_them(tmp_path: Path):
    metrics.emit_to(str(tmp_path), "f", {"platform_batch_rows_in": 4})
    done = platform("metrics", "--json", folder=tmp_path, PLATFORM_METRICS=str(tmp_path))
    assert check("metrics", done.stdout) == [
        {"signal": "platform_batch_rows_in", "labels": {"flow": "f"}, "value": 4.0}
    ]
    text = platform("metrics", folder=tmp_path, PLATFORM_METRICS=str(tmp_path)).stdout
    assert text.splitlines()[-1] == 'platform_batch_rows_in{flow="f"} 4.0'


def test_no_metrics_is_an_empty_list_and_a_word_on_stderr(tmp_path: Path):
    done = platform("metrics", "--json", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "[]\n")
    assert done.stderr == f"No flow has left metrics at {tmp_path}/.platform/metrics.\n"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param("self.headline = 'done well'; self.published_path = 'a/b'", 0, id="done"),
        pytest.param("1 / 0", 7, id="failed"),
    ],
)
def test_a_run_is_printed_as_the_schema_says_however_it_ended(tmp_path: Path, body: str, code: int):
    (tmp_path / "flow.py").write_text(
        "from metaflow import FlowSpec, step\nclass Small(FlowSpec):\n"
        "    @step\n    def start(self):\n        self.next(self.end)\n"
        f"    @step\n    def end(self):\n        {body}\n"
        "if __name__ == '__main__':\n    Small()\n"
    )
    done = platform("run", "flow.py", "--json", folder=tmp_path, METAFLOW_DATASTORE_SYSROOT_LOCAL=str(tmp_path))
    assert done.returncode == code, done.stderr
    document = check("run", done.stdout)
    assert isinstance(document, dict)
    assert (document["error"] or {"exit_code": 0})["exit_code"] == code
    assert document["published"] == ("a/b" if code == 0 else None)
