"""
FlowGraph -> container templates, one per step (design 2), and those of the exit hooks.

In: a FlowGraph and a Target. Out: hera's container templates; the step runner works out everything but its address.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from hera.workflows.models import (
    Container,
    DAGTask,
    DAGTemplate,
    EnvFromSource,
    EnvVar,
    Inputs,
    Outputs,
    Parameter,
    SecretEnvSource,
    Template,
    ValueFrom,
    VolumeMount,
)

from platform_cli.graph.parameters import CONFIG_VARIABLE
from platform_cli.graph.values import ExitHook, FlowGraph, Step, StepKind
from platform_cli.template.dag import PATH, Names
from platform_cli.template.environment import SOURCE_FOLDER, WORK_FOLDER, Target

COMMAND = "platform-step"
# Where the runner leaves `splits` and `next`; below /tmp, which every pod may write.
OUTPUTS = "/tmp/outputs"  # noqa: S108
_OUTPUT = {StepKind.FOREACH: "splits", StepKind.SWITCH: "next"}
DEFAULT_IMAGE, GPU_IMAGE = "flow", "flow-gpu"


def step_templates(graph: FlowGraph, target: Target, names: Names) -> list[Template]:
    """One container template per step, in the graph's order."""
    return [_template(graph, step, target, names) for step in graph.steps]


def flow_path(graph: FlowGraph, target: Target) -> str:
    """Where the flow file is in the pod: a package is unpacked into the working folder, an image has its own."""
    return graph.file if target.package else f"{SOURCE_FOLDER}/{graph.file}"


def _template(graph: FlowGraph, step: Step, target: Target, names: Names) -> Template:
    output = _OUTPUT.get(step.kind)
    return Template(
        name=names.step(step.name),
        inputs=Inputs(parameters=[Parameter(name="path")]),
        outputs=Outputs(parameters=[Parameter(name=output, value_from=ValueFrom(path=f"{OUTPUTS}/{output}"))])
        if output
        else None,
        container=Container(
            image=image_of(step, target),
            command=[COMMAND],
            args=_arguments(graph, step, target),
            env=[EnvVar(name=name, value=value) for name, value in _variables(graph, step, target)],
            env_from=_env_from(_secrets(step, target)),
            volume_mounts=_mounts(),
            working_dir=WORK_FOLDER,
        ),
    )


def image_of(step: Step, target: Target) -> str:
    """Reference of the image of a step: the one it names, else the GPU one for GPUs, else the plain one."""
    name = step.ask.image or (GPU_IMAGE if step.ask.gpus else DEFAULT_IMAGE)
    return target.environment.image(name) or name


def _arguments(graph: FlowGraph, step: Step, target: Target) -> list[str]:
    # With "=": argparse refuses a separate value that begins with a dash, and every path does.
    arguments = [
        flow_path(graph, target),
        step.name,
        "--run=argo-{{workflow.name}}",
        f"--path={PATH}",
        "--try={{retries}}",
        "--code={{workflow.parameters.platform-code}}",
        "--origin={{workflow.parameters.platform-origin}}",
        "--epoch={{workflow.parameters.platform-epoch}}",
    ]
    return [*arguments, "--parameters={{workflow.parameters.json}}"] if step.name == graph.start else arguments


def _variables(graph: FlowGraph, step: Step, target: Target) -> Sequence[tuple[str, str]]:
    found = dict(target.environment.variables)
    if graph.configs:
        found[CONFIG_VARIABLE] = json.dumps(dict(graph.configs), sort_keys=True)
    found |= {variable.name: variable.value for variable in step.variables}
    return sorted(found.items())


def _secrets(step: Step, target: Target) -> list[str]:
    names = [secret.name for secret in step.secrets if not secret.backend]
    return list(dict.fromkeys([*_account(target), *names]))


def _account(target: Target) -> list[str]:
    """The stores' credentials: those of working copies cannot write what is production's."""
    name = target.environment.secret
    return [f"{name}-adhoc" if target.channel.is_adhoc else name] if name else []


def hook_templates(graph: FlowGraph, target: Target, names: Names) -> list[Template]:
    """Container templates of the exit hooks and, last, the DAG that runs them; each one looks how the run ended."""
    if not graph.exit_hooks:
        return []
    wishes = [("on-success-" if hook.on_success else "on-error-") + hook.function for hook in graph.exit_hooks]
    hooks = [
        (hook, names.free(re.sub("[^a-z0-9]+", "-", wish.lower()).strip("-")))
        for hook, wish in zip(graph.exit_hooks, wishes, strict=True)
    ]
    templates = [_hook(graph, hook, name, target) for hook, name in hooks]
    tasks = [DAGTask(name=name, template=name) for _, name in hooks]
    return [*templates, Template(name=names.free("exit-hooks"), dag=DAGTemplate(tasks=tasks))]


def _hook(graph: FlowGraph, hook: ExitHook, name: str, target: Target) -> Template:
    """A container that looks how the run ended before it calls the function: Argo's word alone is not enough."""
    return Template(
        name=name,
        container=Container(
            image=target.environment.image(DEFAULT_IMAGE) or DEFAULT_IMAGE,
            command=["python", "-m", "platform_cli.runner.hook"],
            args=[
                flow_path(graph, target),
                hook.function,
                f"{graph.name}/argo-{{{{workflow.name}}}}",
                f"--on={'success' if hook.on_success else 'error'}",
                "--status={{workflow.status}}",
            ],
            env=[EnvVar(name=variable, value=value) for variable, value in target.environment.variables],
            env_from=_env_from(_account(target)),
            volume_mounts=_mounts(),
            working_dir=WORK_FOLDER,
        ),
    )


def _env_from(secrets: Sequence[str]) -> list[EnvFromSource] | None:
    return [EnvFromSource(secret_ref=SecretEnvSource(name=name)) for name in secrets] or None


def _mounts() -> list[VolumeMount]:
    return [
        VolumeMount(name="tmp", mount_path="/tmp"),  # noqa: S108
        VolumeMount(name="work", mount_path=WORK_FOLDER),
    ]
