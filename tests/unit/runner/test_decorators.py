"""What a flow file may say, said in a pod: cards, timeouts, placement, configs, mutators, classes of its own."""

import json
from pathlib import Path

import pytest

from tests.unit.runner.harness import Bench


def a_flow(folder: Path, head: str, decorators: str, body: str, **environment: str) -> Bench:
    """A flow whose first step is decorated and does `body`."""
    lines = [
        "import os, sys, time",
        "from metaflow import Config, FlowSpec, Parameter, card, config_expr, current, kubernetes, resources",
        "from metaflow import step, timeout",
        head,
        "class Said(FlowSpec):",
        *(f"    {line}" for line in decorators.splitlines()),
        "    @step",
        "    def start(self):",
        *(f"        {line}" for line in body.splitlines()),
        "        self.next(self.end)",
        "    @step",
        "    def end(self):",
        "        pass",
        "if __name__ == '__main__':",
        "    Said()",
        "",
    ]
    (folder / "flow.py").write_text("\n".join(lines))
    return Bench(folder=folder, environment=environment)


def test_a_card_is_there_for_metaflows_own_client(tmp_path: Path) -> None:
    bench = a_flow(tmp_path, "from metaflow.cards import Markdown", "@card", "current.card.append(Markdown('# seen'))")
    bench.done("start")
    assert bench.client(
        "['# seen' in c.get() or 'seen' in c.get() for c in metaflow.cards.get_cards(run['start'].task)]"
    ) == [True]


def test_a_step_that_says_where_it_runs_is_there_already(tmp_path: Path) -> None:
    """`@kubernetes` itself would refuse a datastore on this disk (metaflow#2588)."""
    bench = a_flow(tmp_path, "", "@kubernetes(cpu=2, memory=512)\n@resources(cpu=1)", "self.done = 1")
    bench.done("start")
    assert bench.client("run['start'].task.data.done") == 1


def test_a_timeout_ends_the_steps_own_code(tmp_path: Path) -> None:
    bench = a_flow(tmp_path, "", "@timeout(seconds=1)", "time.sleep(60)")
    outcome = bench.step("start")
    assert outcome.code == 1
    assert "TimeoutException" in outcome.last_line


def test_a_class_of_the_flow_file_is_an_artifact_that_the_next_step_reads(tmp_path: Path) -> None:
    """Pickle looks for it in `__main__`, which is why the file's code runs there."""
    bench = a_flow(tmp_path, "class Point:\n    x = 1\n", "", "self.point = Point()")
    bench.done("start")
    source = (tmp_path / "flow.py").read_text()
    (tmp_path / "flow.py").write_text(source.replace("        pass\n", "        self.x = self.point.x\n"))
    bench.done("end")
    assert bench.client("run['end'].task.data.x") == 1


def test_a_neighbour_of_the_flow_file_is_found_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    a_flow(tmp_path / "inner", "import neighbour", "", "self.x = neighbour.X")
    (tmp_path / "inner" / "neighbour.py").write_text("X = 5\n")
    (tmp_path / "flow.py").symlink_to(tmp_path / "inner" / "flow.py")
    bench = Bench(folder=tmp_path)
    bench.done("start")
    assert bench.client("run['start'].task.data.x") == 5


def test_a_config_is_what_the_template_says_it_was(tmp_path: Path) -> None:
    """The compile read the file; the pod is told the values, so that an edit in between changes nothing."""
    said = json.dumps({"settings": {"width": 7}})
    decorators = (
        "settings = Config('settings', default='settings.json')\n@timeout(seconds=config_expr('settings.width'))"
    )
    bench = a_flow(tmp_path, "", decorators, "self.w = self.settings.width", METAFLOW_FLOW_CONFIG_VALUE=said)
    (tmp_path / "settings.json").write_text('{"width": 2}')
    bench.done("start")
    bench.done("end")
    assert bench.client("run['start'].task.data.w") == 7


def test_a_mutator_changes_the_flow_once_per_command(tmp_path: Path) -> None:
    head = (
        "from metaflow import FlowMutator\n"
        "class Adds(FlowMutator):\n"
        "    def pre_mutate(self, flow):\n"
        "        flow.add_parameter('extra', Parameter('extra', default='added'))\n"
        "@Adds\n"
    )
    bench = a_flow(tmp_path, head.rstrip(), "", "self.said = self.extra")
    bench.done("start", "", '--parameters=[{"name": "extra", "value": "given"}]')
    assert bench.client("run['start'].task.data.said") == "given"


@pytest.mark.parametrize("folder", ["", "sub"])
def test_a_step_may_change_its_folder(tmp_path: Path, folder: str) -> None:
    (tmp_path / "sub").mkdir()
    bench = a_flow(tmp_path, "", "", f"os.chdir({str(tmp_path / folder)!r}); self.x = 1")
    bench.done("start")
    assert bench.client("run['start'].task.data.x") == 1


def test_a_kubernetes_secret_is_there_already_as_variables(tmp_path: Path) -> None:
    """Metaflow would ask for a backend behind the name; the pod has the Secret's keys in its environment."""
    body, head = "self.key = os.environ['KEY']", "from metaflow import secrets"
    flow = a_flow(tmp_path, head, "@secrets(sources=['bureau'])", body, KEY="k")
    flow.done("start")
    assert flow.client("run['start'].task.data.key") == "k"
