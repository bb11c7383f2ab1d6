"""Errors say where, got, wanted and what to do, and survive being pickled by another process."""

import pickle

import pytest

from platform_cli import errors
from platform_cli.errors import ContractBroken, ExitCode, PlatformError, error_class


def test_an_error_prints_what_was_found_what_was_wanted_and_the_mend() -> None:
    error = ContractBroken("customers.csv: column age has 3 nulls", wanted="none", fix="Fill them.")
    assert str(error) == "customers.csv: column age has 3 nulls; wanted none.\n  Fill them."


def test_an_error_is_the_same_after_pickling() -> None:
    error = pickle.loads(pickle.dumps(ContractBroken("a", wanted="b", fix="c")))  # noqa: S301 # our own bytes
    assert (type(error), str(error)) == (ContractBroken, "a; wanted b.\n  c")


def test_every_exit_code_has_a_meaning() -> None:
    assert set(errors.MEANINGS) == set(ExitCode)


@pytest.mark.parametrize(
    ("name", "code"),
    [("platform_cli.errors.ContractBroken", 65), ("platform_cli.errors.NoChampion", 6)],
)
def test_a_record_of_another_process_leads_back_to_its_class(name: str, code: int) -> None:
    found = error_class(name)
    assert found is not None
    assert found.exit_code == code


@pytest.mark.parametrize("name", ["builtins.ValueError", "platform_cli.errors.ExitCode", "platform_cli.errors.os", ""])
def test_a_class_that_is_not_ours_is_not_found(name: str) -> None:
    assert error_class(name) is None


def test_the_tree_drawn_in_the_module_names_every_class_and_its_code() -> None:
    """A reader of the drawing must be able to trust it."""
    assert errors.__doc__ is not None
    drawn = {
        words[0]: int(words[1])
        for line in errors.__doc__.splitlines()
        if len(words := line.replace("├──", " ").replace("└──", " ").replace("│", " ").split()) >= 2
        and words[1].isdigit()
    }
    defined = {
        name: int(cls.exit_code)
        for name, cls in vars(errors).items()
        if isinstance(cls, type) and issubclass(cls, PlatformError)
    }
    assert drawn == defined
