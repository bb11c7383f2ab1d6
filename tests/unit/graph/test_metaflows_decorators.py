"""What we say about Metaflow's decorators fits the installed one; an upgrade that changes them fails here."""

import importlib

import pytest

from platform_cli.graph.decorators import _HONOURED, _REFUSED


def decorators() -> dict[str, type]:
    plugins = importlib.import_module("metaflow.plugins")
    return {deco.name: deco for deco in (*plugins.STEP_DECORATORS, *plugins.FLOW_DECORATORS)}


@pytest.mark.parametrize("name", sorted(_HONOURED))
def test_every_attribute_that_is_honoured_exists_in_metaflow(name: str):
    assert set(decorators()[name].defaults) >= _HONOURED[name]  # type: ignore[attr-defined]


def test_every_decorator_of_metaflow_is_honoured_or_refused_with_advice():
    internal = {name for name in decorators() if name.endswith("_internal")}
    assert set(decorators()) - internal == set(_HONOURED) | set(_REFUSED)


def test_a_task_has_as_many_attempts_as_retries_count_on():
    limits = importlib.import_module("metaflow.metaflow_config")
    assert limits.MAX_ATTEMPTS == 6
