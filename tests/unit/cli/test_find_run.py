"""The many ways to name one run."""

from collections.abc import Iterator
from typing import Any

import pytest

from platform_cli.cli.find_run import find_run
from platform_cli.cli.remote import Remote
from platform_cli.errors import NotFound, PlatformError, UsageError
from platform_cli.runs.values import Run, State
from platform_cli.settings import load_settings


class Here(Remote):
    """An environment with these runs, newest first."""

    is_local = False

    def __init__(self, *runs: Run, owner: str = "me") -> None:
        super().__init__(load_settings({"PLATFORM_OWNER": owner}))
        self._runs = runs
        self.asked: list[str] = []

    class _Cluster:
        namespace = "ml"

    class _Argo:
        def list_archived(self) -> list[dict[str, Any]]:
            return [{"metadata": {"name": "score-1a", "uid": "3f2b8c1e-0000-4000-8000-000000000000"}}]

    cluster = _Cluster()  # type: ignore[assignment]
    argo = _Argo()  # type: ignore[assignment]

    def workflow(self, name: str) -> dict[str, Any]:
        self.asked.append(name)
        if name in [run.name for run in self._runs]:
            return {}
        raise NotFound(f"no {name}")

    def runs(self, **_: Any) -> Iterator[Run]:
        yield from self._runs


def a_run(name: str, state: State = State.SUCCEEDED, owner: str = "me") -> Run:
    return Run(
        flow="Score", metaflow_run_id=f"argo-{name}", state=state, steps=(), seconds=1.0, name=name, owner=owner
    )  # fmt: skip


RUNS = Here(
    a_run("train-9f", owner="another"), a_run("score-1a", State.RUNNING),
    a_run("score-2b", State.FAILED), a_run("hello-77"),
)  # fmt: skip
UID = "3f2b8c1e-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("word", "name"),
    [
        pytest.param("score-2b", "score-2b", id="its name"),
        pytest.param("argo-score-2b", "score-2b", id="metaflow's name of it"),
        pytest.param("hel", "hello-77", id="a unique beginning"),
        pytest.param("@latest", "score-1a", id="one's own newest run"),
        pytest.param("@latest-failed", "score-2b", id="one's own newest run that failed"),
        pytest.param("https://argo.example/workflows/ml/score-1a?tab=workflow", "score-1a", id="a link"),
        pytest.param(f"https://argo.example/archived-workflows/ml/{UID}", "score-1a", id="a link into the archive"),
        pytest.param("RiskinessScore/argo-old-1", "RiskinessScore/argo-old-1", id="metaflow's whole address"),
    ],
)
def test_a_run_is_found_by(word: str, name: str):
    assert find_run(word, RUNS) == name


def test_the_newest_run_is_anybodys_for_who_has_none(capsys: pytest.CaptureFixture[str]):
    assert find_run("@latest", Here(a_run("train-9f", owner="another"), owner="newcomer")) == "train-9f"
    assert capsys.readouterr().err == "@latest is train-9f\n"


@pytest.mark.parametrize(
    ("word", "kind", "said"),
    [
        pytest.param("score", UsageError, '2 runs begin with "score"', id="a beginning of two"),
        pytest.param("sorce-1a", NotFound, 'Did you mean "score-1a"?', id="a slip"),
        pytest.param("@newest", UsageError, "wanted a name, @latest or @latest-failed", id="an unknown word"),
        pytest.param("https://argo.example/workflows/other/x", UsageError, 'namespace "other"', id="another namespace"),
        pytest.param("https://example.org/", UsageError, "no run is named", id="a link to something else"),
    ],
)
def test_what_names_no_run_is_refused_with_what_was_near(word: str, kind: type[PlatformError], said: str):
    with pytest.raises(kind) as caught:
        find_run(word, RUNS)
    assert said in str(caught.value)


def test_no_failed_run_is_an_answer_of_its_own():
    with pytest.raises(NotFound, match="no failed run"):
        find_run("@latest-failed", Here(a_run("hello-77")))
