"""A flow's file is understood without being run, and what is wrong with it is said before anything starts."""

from pathlib import Path

import pytest

from platform_cli.errors import NotFound, UsageError
from platform_cli.runs.flow_file import check_parameters, read_flow_file

FLOW = """
from metaflow import FlowSpec, Parameter, step
import metaflow

class Risk(FlowSpec):
    as_of = Parameter("as_of", default="2026-11-22")
    seed = metaflow.Parameter(name="seed", default=1)
    other = 3
"""


def a_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "flow.py"
    path.write_text(text)
    return path


def test_a_flows_class_and_parameters_are_read_without_importing_it(tmp_path: Path):
    found = read_flow_file(a_file(tmp_path, FLOW + "\nraise SystemExit('imported')"))
    assert (found.flow, found.parameters) == ("Risk", ("as_of", "seed"))


def test_a_parameter_the_flow_does_not_have_is_refused_with_the_one_meant(tmp_path: Path):
    with pytest.raises(UsageError, match='flow Risk has no parameter "as_off"') as caught:
        check_parameters(read_flow_file(a_file(tmp_path, FLOW)), {"as_off": "x"})
    assert caught.value.fix == 'Did you mean "as_of"?'


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("class Risk(BaseFlow):\n    pass\n", id="inherited"),
        pytest.param("@configured\nclass Risk(FlowSpec):\n    pass\n", id="changed-by-a-decorator"),
        pytest.param("class Risk(FlowSpec):\n    day = Parameter(NAME)\n", id="named-elsewhere"),
    ],
)
def test_parameters_that_only_a_run_can_know_are_left_to_metaflow(tmp_path: Path, text: str):
    found = read_flow_file(a_file(tmp_path, text))
    assert found.parameters is None
    check_parameters(found, {"anything": "x"})


def test_a_missing_file_is_not_found_and_the_one_meant_is_named(tmp_path: Path):
    a_file(tmp_path, FLOW)
    with pytest.raises(NotFound, match=r"there is no file .*flwo\.py") as caught:
        read_flow_file(tmp_path / "flwo.py")
    assert "flow.py" in caught.value.fix


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("x = 1\n", "has no flow; wanted a class that inherits from metaflow.FlowSpec", id="no-flow"),
        pytest.param("class A(FlowSpec): pass\nclass B(FlowSpec): pass\n", "has 2 flows, A, B", id="two-flows"),
        pytest.param("x = 1\nclass A(:\n", r"flow\.py:2 is not Python: invalid syntax", id="not-python"),
        pytest.param("x = '\0'\n", "is not Python", id="null-bytes"),
    ],
)
def test_a_file_that_is_no_flow_is_refused_with_the_reason(tmp_path: Path, text: str, message: str):
    with pytest.raises(UsageError, match=message):
        read_flow_file(a_file(tmp_path, text))


def test_a_folder_is_refused_and_its_files_are_named(tmp_path: Path):
    a_file(tmp_path, FLOW)
    with pytest.raises(UsageError, match="is a folder; wanted a flow's file") as caught:
        read_flow_file(tmp_path)
    assert caught.value.fix == "Name a file in it: flow.py."
