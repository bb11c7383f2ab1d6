"""What was given on the command line, before anything is sent."""

import pytest

from platform_cli.cli.parameters import changed_values, read_pairs
from platform_cli.errors import UsageError
from platform_cli.graph.values import Parameter, ParameterKind, Where

WHERE = Where(file="flow.py", line=1)


def a_parameter(name: str = "x", kind: ParameterKind = ParameterKind.STRING, **more: object) -> Parameter:
    return Parameter(name=name, kind=kind, where=WHERE, **more)


def changed(parameter: Parameter, value: str) -> dict[str, str]:
    return changed_values([parameter], {parameter.name: value}, ["flows/x/table.csv"])


@pytest.mark.parametrize(
    ("kind", "value", "arrives"),
    [
        (ParameterKind.STRING, " $(x) 'y'\n\t\U0001f600", " $(x) 'y'\n\t\U0001f600"),
        (ParameterKind.INTEGER, "007", "7"),
        (ParameterKind.NUMBER, "1e-3", "1e-3"),
        (ParameterKind.BOOLEAN, "Yes", "true"),
        (ParameterKind.BOOLEAN, "0", "false"),
        (ParameterKind.JSON, '{"a": [1]}', '{"a": [1]}'),
        (ParameterKind.FILE, "flows/x/table.csv", "flows/x/table.csv"),
    ],
)
def test_a_value_of_its_type_arrives(kind: ParameterKind, value: str, arrives: str):
    assert changed(a_parameter(kind=kind), value) == {"x": arrives}


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        (ParameterKind.INTEGER, "1.5", 'parameter "x" is "1.5"; wanted a whole number'),
        (ParameterKind.NUMBER, "much", 'parameter "x" is "much"; wanted a number'),
        (ParameterKind.BOOLEAN, "maybe", 'parameter "x" is "maybe"; wanted true or false'),
        (ParameterKind.JSON, "{'a': 1}", 'parameter "x" is "{\'a\': 1}"; wanted JSON'),
        (ParameterKind.FILE, "/etc/passwd", 'parameter "x" is the file "/etc/passwd", which does not travel'),
        (ParameterKind.STRING, "{{workflow.name}}", 'parameter "x" contains {{, which Argo would replace'),
        (ParameterKind.JSON, '{"a": "{{=1+1}}"}', 'parameter "x" contains {{, which Argo would replace'),
        (ParameterKind.STRING, "a\0b", 'parameter "x" contains a zero byte'),
    ],
)
def test_a_value_that_could_not_arrive_is_refused_by_name(kind: ParameterKind, value: str, problem: str):
    with pytest.raises(UsageError) as caught:
        changed(a_parameter(kind=kind), value)
    assert str(caught.value).startswith(problem)


@pytest.mark.parametrize(
    ("kind", "default", "value"),
    [
        (ParameterKind.STRING, "a", "a"),
        (ParameterKind.INTEGER, "5", "05"),
        (ParameterKind.NUMBER, "0.5", "5e-1"),
        (ParameterKind.BOOLEAN, "true", "on"),
        (ParameterKind.JSON, '{"a": 1, "b": 2}', '{"b":2,"a":1}'),
        (ParameterKind.STRING, None, ""),
    ],
)
def test_a_value_that_is_the_default_is_the_same_work(kind: ParameterKind, default: str | None, value: str):
    assert changed(a_parameter(kind=kind, default=default), value) == {}


def test_a_parameter_that_the_flow_does_not_have_says_which_is_close():
    with pytest.raises(UsageError, match=r'the flow has no parameter "peple"\.\n  Did you mean "people"\?'):
        changed_values([a_parameter("people", default="Ada")], {"peple": "x"}, [])


def test_what_the_flow_cannot_start_without_is_asked_for_all_at_once():
    needed = [a_parameter(name, required=True) for name in ("as_of", "region")]
    with pytest.raises(UsageError, match=r"the flow needs as_of, region\.\n  Add -p as_of=\.\.\. -p region=\.\.\.\."):
        changed_values(needed, {}, [])


def test_parameters_above_what_one_argument_can_hold_are_refused():
    parameter = a_parameter(help="h" * 1000)
    room = 65536 - len('[{"name": "x", "value": "", "description": ""}]') - 1000
    assert changed(parameter, "v" * room) == {"x": "v" * room}
    with pytest.raises(UsageError, match="the parameters are 65,537 bytes long; wanted at most 64Ki"):
        changed(parameter, "v" * (room + 1))


def test_characters_that_grow_on_the_way_are_counted_as_they_travel():
    with pytest.raises(UsageError, match="bytes long"):
        changed(a_parameter(), "ü" * 20_000)


@pytest.mark.parametrize("pair", ["people", "=Ada", "a b=1", "1a=x"])
def test_a_word_that_is_no_pair_is_refused(pair: str):
    with pytest.raises(UsageError, match="wanted NAME=VALUE"):
        read_pairs([pair])


def test_a_name_twice_is_refused():
    with pytest.raises(UsageError, match='parameter "a" is given twice'):
        read_pairs(["a=1", "a=2"])


def test_a_value_may_hold_equals_signs_and_be_empty():
    assert read_pairs(["a=b=c", "d="]) == {"a": "b=c", "d": ""}
