"""What cannot run is refused with file, line, reason and what to do instead; never ignored."""

from pathlib import Path

import pytest

from platform_cli.errors import FlowRefused, NotFound
from platform_cli.graph import load_graph
from tests.flowfiles import TWO_STEPS, findings, load, load_source

# decorator in line 5, above `start` in line 7
STEP_DECORATORS = [
    ("conda", "@conda(libraries={'pandas': '1'})", "decorator", "@conda is not supported"),
    ("pypi", "@pypi(packages={'pandas': '1'})", "decorator", "@pypi is not supported"),
    ("batch", "@batch(cpu=1)", "decorator", "@batch is not supported"),
    (
        "node-selector",
        "@kubernetes(node_selector='a=b')",
        "attribute",
        '@kubernetes has the attribute "node_selector", which is not supported',
    ),
    (
        "namespace",
        "@kubernetes(namespace='default')",
        "attribute",
        '@kubernetes has the attribute "namespace", which is not supported',
    ),
    ("too-many-retries", "@retry(times=5)", "retry", "@retry asks for 5 more attempts"),
    ("no-timeout", "@timeout", "timeout", "@timeout says no duration"),
    ("other-gpu", "@kubernetes(gpu=1, gpu_vendor='amd')", "gpu", 'gpu_vendor is "amd"'),
    ("no-memory", "@resources(memory=0)", "resources", "memory is 0"),
    ("half-gpu", "@resources(gpu=0.5)", "resources", "gpu is 0.5"),
    ("words", "@resources(cpu='many')", "resources", "cpu is 'many'"),
    (
        "inline-secret",
        "@secrets(sources=[{'type': 'inline', 'options': {'env_vars': {'A': 'b'}}}])",
        "secret",
        "@secrets holds a literal value",
    ),
]


@pytest.mark.parametrize(
    ("decorator", "rule", "problem"), [row[1:] for row in STEP_DECORATORS], ids=[row[0] for row in STEP_DECORATORS]
)
def test_a_decorator_that_would_mean_nothing_is_refused_at_its_line(
    decorator: str, rule: str, problem: str, tmp_path: Path
):
    assert findings(tmp_path, decorator + TWO_STEPS) == [(5, rule, problem)]


def test_all_findings_come_at_once_and_each_says_what_to_do(tmp_path: Path):
    body = """
    day = Parameter("platform-epoch", default="0")
    @conda
    @resources(memory=-1)
    @step
    def start(self):
        self.next(self.end)
    @retry(times=9)
    @step
    def end(self):
        pass
    """
    with pytest.raises(FlowRefused) as refused:
        load(tmp_path, body)
    assert str(refused.value).splitlines() == [
        'flows/test/flow.py:5: parameter "platform-epoch" has a name that the platform uses itself.',
        "  Rename it.",
        "flows/test/flow.py:6: @conda is not supported.",
        "  Dependencies come from the image: add the package to pyproject.toml and build the image.",
        "flows/test/flow.py:7: memory is -1.",
        "  Write a number of MiB.",
        "flows/test/flow.py:11: @retry asks for 9 more attempts.",
        "  Ask for 0 to 4: a task has six attempts.",
    ]


@pytest.mark.parametrize("name", ["platform-code", "platform-origin", "platform-epoch"])
def test_a_parameter_may_not_take_a_name_of_the_platform(name: str, tmp_path: Path):
    found = findings(tmp_path, f'mine = Parameter("{name}")' + TWO_STEPS)
    assert found == [(5, "reserved-parameter", f'parameter "{name}" has a name that the platform uses itself')]


def test_a_step_that_leads_back_to_itself_is_a_loop(tmp_path: Path):
    body = """
    @step
    def start(self):
        self.again = "yes"
        self.next({"yes": self.start, "no": self.end}, condition="again")

    @step
    def end(self):
        pass
    """
    assert findings(tmp_path, body) == [(8, "loop", 'step "start" leads back to "start", and loops are not supported')]


def test_a_loop_over_two_steps_is_refused_where_it_closes(tmp_path: Path):
    body = """
    @step
    def start(self):
        self.next(self.ask)
    @step
    def ask(self):
        self.again = "yes"
        self.next({"yes": self.work, "no": self.end}, condition="again")
    @step
    def work(self):
        self.next(self.ask)
    @step
    def end(self):
        pass
    """
    assert findings(tmp_path, body) == [(14, "loop", 'step "work" leads back to "ask", and loops are not supported')]


def test_a_gang_is_refused(tmp_path: Path):
    body = """
    @step
    def start(self):
        self.next(self.work, num_parallel=2)
    @parallel
    @step
    def work(self):
        self.next(self.join)
    @step
    def join(self, inputs):
        self.next(self.end)
    @step
    def end(self):
        pass
    """
    found = findings(tmp_path, body)
    assert (8, "parallel", 'step "work" is part of a gang (@parallel, num_parallel), which is not supported') in found


def test_metaflows_own_refusals_keep_their_line(tmp_path: Path):
    body = """
    @step
    def start(self):
        self.next(self.lost)
    @step
    def end(self):
        pass
    """
    ((line, rule, problem),) = findings(tmp_path, body)
    assert (line, rule) == (7, "metaflow")
    assert problem == 'Step "start" specifies a self.next() transition to an unknown step, "lost"'


def test_an_artifact_named_like_a_step_is_refused_before_it_breaks_a_run(tmp_path: Path):
    body = """
    @step
    def start(self):
        self.end = 3
        self.next(self.end)
    @step
    def end(self):
        pass
    """
    assert findings(tmp_path, body) == [
        (7, "artifact-name", 'an artifact is named "end", like a step, which breaks the run when it is saved')
    ]


def test_catch_is_refused_on_a_step_that_decides_where_the_run_goes(tmp_path: Path):
    body = """
    @catch
    @step
    def start(self):
        self.items = [1]
        self.next(self.work, foreach="items")
    @step
    def work(self):
        self.next(self.join)
    @step
    def join(self, inputs):
        self.next(self.end)
    @step
    def end(self):
        pass
    """
    assert findings(tmp_path, body) == [
        (5, "catch", '@catch is on step "start", which decides where the run goes next')
    ]


def test_a_default_that_is_a_function_is_refused(tmp_path: Path):
    found = findings(tmp_path, 'day = Parameter("day", default=lambda context: "today")' + TWO_STEPS)
    assert [(line, rule) for line, rule, _ in found] == [(5, "function-default")]


def test_a_function_that_declares_itself_deterministic_is_a_default(tmp_path: Path):
    above = "def seven(_):\n    return 7\nseven.deterministic = True\n"
    graph = load(tmp_path, 'count = Parameter("count", type=int, default=seven)' + TWO_STEPS, above=above)
    assert graph.parameters[0].default == "7"


@pytest.mark.parametrize(
    ("decorator", "rule", "problem"),
    [
        ("@schedule(cron='whenever')", "schedule", 'cron is "whenever"'),
        ("@schedule(cron='0 5 * * ? 2027')", "schedule", 'cron is "0 5 * * ? 2027"'),
        ("@schedule(daily=True, timezone='Mars/Olympus')", "schedule", 'time zone is "Mars/Olympus"'),
        ("@pypi_base(packages={})", "decorator", "@pypi_base is not supported"),
        ("@project(name='p', branch='b')", "attribute", '@project has the attribute "branch", which is not supported'),
        (
            "@trigger(event={'name': 'e', 'parameters': {'absent': 'x'}})",
            "trigger",
            '@trigger fills the parameter "absent", which the flow does not have',
        ),
        ("@trigger_on_finish(flow='project.prod.Other')", "trigger", "@trigger_on_finish names 'project.prod.Other'"),
        ("@trigger(event=lambda context: 'x')", "trigger", "@trigger's event is no name"),
    ],
    ids=["cron", "cron-year", "zone", "pypi-base", "branch", "fills-nothing", "branch-of-project", "function"],
)
def test_a_decorator_of_the_flow_is_refused_at_its_line(decorator: str, rule: str, problem: str, tmp_path: Path):
    assert findings(tmp_path, TWO_STEPS, above=decorator + "\n") == [(4, rule, problem)]


def test_an_unknown_attribute_says_which_ones_there_are(tmp_path: Path):
    with pytest.raises(FlowRefused, match=r"flows/test/flow.py:5: InvalidDecoratorAttribute: .*tims"):
        load(tmp_path, "@retry(tims=2)" + TWO_STEPS)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def broken(:\n", r"flow.py:1: invalid syntax"),
        (
            "import metaflow\n\nimport absent_module\n",
            r"flow.py:3: ModuleNotFoundError: No module named 'absent_module'",
        ),
        ("print('hello')\n", r"flow.py:1: 0 flows in one file \(none\)"),
        ("raise SystemExit(3)\n", r"flow.py:1: SystemExit: 3"),
    ],
    ids=["syntax", "import", "no-flow", "exit"],
)
def test_a_file_that_cannot_be_loaded_names_its_line(source: str, message: str, tmp_path: Path):
    with pytest.raises(FlowRefused, match=message):
        load_source(tmp_path, source)


def test_two_flows_in_one_file_are_refused(tmp_path: Path):
    steps = "    @step\n    def start(self): self.next(self.end)\n    @step\n    def end(self): pass\n"
    source = f"from metaflow import *\nclass OneFlow(FlowSpec):\n{steps}class TwoFlow(FlowSpec):\n{steps}"
    with pytest.raises(FlowRefused, match=r"2 flows in one file \(OneFlow, TwoFlow\)"):
        load_source(tmp_path, source)


def test_a_missing_file_is_not_found(tmp_path: Path):
    with pytest.raises(NotFound, match="there is no flow file"):
        load_graph(tmp_path / "absent.py", root=tmp_path)


def test_a_config_that_cannot_be_read_is_refused_at_its_line(tmp_path: Path):
    ((line, rule, problem),) = findings(tmp_path, 'sizes = Config("sizes", default="absent.json")' + TWO_STEPS)
    assert (line, rule) == (5, "config")
    assert "absent.json" in problem
