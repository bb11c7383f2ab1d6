"""
What a flow becomes, byte for byte: one flow per shape, one file to read.

`pytest tests/golden --update-golden` writes the files; the diff is reviewed like code.
"""

from pathlib import Path

import pytest

from platform_cli.cli.compile import read_environment, render
from tests.schemas import problems

FOLDER = Path(__file__).resolve().parent
FLOWS = sorted(file.parent.name for file in FOLDER.glob("flows/*/flow.py"))


def rendered(name: str) -> str:
    return "---\n".join(
        render(FOLDER / "flows" / name / "flow.py", read_environment("staging", FOLDER), FOLDER).texts().values()
    )


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_renders_to_its_golden_byte_for_byte(name: str, request: pytest.FixtureRequest):
    golden = FOLDER / f"{name}.yaml"
    if request.config.getoption("--update-golden"):
        golden.write_text(rendered(name), encoding="utf-8")
    assert golden.is_file(), f"{golden.name} is missing; write it with --update-golden and review it"
    assert rendered(name) == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FLOWS)
def test_every_object_is_valid_for_the_pinned_argo(name: str):
    documents = render(FOLDER / "flows" / name / "flow.py", read_environment("staging", FOLDER), FOLDER).documents
    assert [(document["kind"], problems(document)) for document in documents if problems(document)] == []


def test_every_golden_has_a_flow():
    assert sorted(file.stem for file in FOLDER.glob("*.yaml")) == FLOWS
