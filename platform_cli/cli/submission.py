"""
One flow of a working copy -> one run on a cluster, or the answer that it is there already.

In: a flow file, parameters, an environment. Out: Submission: the run's name, whether it was begun, where to look.

Nothing is sent until everything that can be known here is known: parameters, the compile, whether a run of that name
exists anywhere, whether every step could get a place. Then the package, the template, and last the Workflow, whose
name makes a second try harmless.
"""

from __future__ import annotations

import datetime
import subprocess
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from platform_cli.cli.adhoc import DIGEST, AdhocFlow, adhoc_flow
from platform_cli.cli.parameters import changed_values
from platform_cli.cluster import ArgoServer, Cluster, connect
from platform_cli.cluster.cluster import ARGO
from platform_cli.cluster.preflight import gather, why_never
from platform_cli.errors import AlreadyExists, NotAllowed, NotFound, Unclear, UsageError
from platform_cli.graph.address import ORIGIN_PARAMETER
from platform_cli.names import DAY, FLOW_CLASS, LABEL_PREFIX, parse_day, run_name

if TYPE_CHECKING:
    from platform_cli.settings import Settings

Document = dict[str, Any]

_MOST_AGAIN = 100
_TEMPLATE_SEEN_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Order:
    """
    What somebody asks for.

    Attributes:
        again: a run of its own although the same work was done, or failed, before.
        origin: `argo-<run>[/<step>]`, the run whose finished tasks are taken over.
    """

    file: Path
    given: Mapping[str, str] = field(default_factory=dict)
    as_of: str = ""
    queue: str = "adhoc"
    again: bool = False
    dry_run: bool = False
    origin: str = ""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """
    What became of it.

    Attributes:
        state: `created`, `checked` after a dry run, else the state of the run that was there: `running`, `succeeded`,
            `failed`, or `recorded` where only the datastore knows it.
    """

    run: str
    state: str
    flow: AdhocFlow
    as_of: str
    parameters: Mapping[str, str]
    links: Mapping[str, str]
    workflow: Document = field(default_factory=dict, repr=False)


def submit(order: Order, settings: Settings) -> Submission:
    """
    Begin a run, unless it is there.

    Raises:
        UsageError: a parameter is wrong. FlowRefused, NotAllowed: it could not run. Unreachable: no answer.
    """
    with _ask_git(order.file) as commit:
        return _submit(order, settings, commit)


def _submit(order: Order, settings: Settings, commit: _AskedGit) -> Submission:
    cluster = connect(settings)
    flow = adhoc_flow(order.file, settings.environment, queue=order.queue, owner=settings.owner)
    changed, as_of = _parameters(order, flow)
    changed |= {ORIGIN_PARAMETER: order.origin} if order.origin else {}
    from platform_cli.cli.links import links_of

    plan = _Plan(cluster, flow, _Work(changed, as_of), settings)
    name = plan.name()
    with ThreadPoolExecutor(max_workers=3) as aside:
        # Four questions to three servers, at the same time as the imports that the third one needs.
        workflow_there = aside.submit(plan.workflow_there, name)
        facts = aside.submit(gather, cluster)
        recorded = aside.submit(plan.recorded, name)
        template = aside.submit(plan.template)
        found = workflow_there.result() or recorded.result()
    if found and order.again:
        again = (plan.name(number) for number in range(2, _MOST_AGAIN))
        name = next(each for each in again if not (plan.workflow_there(each) or plan.recorded(each)))
        found = None
    links = links_of(settings, cluster.namespace, name)

    def answer(state: str, workflow: Document | None = None) -> Submission:
        return Submission(
            run=name, state=state, flow=flow, as_of=as_of, parameters=changed, links=links, workflow=workflow or {}
        )

    if found:
        return answer(found.state, found.workflow)
    never = why_never(flow.template, facts.result())
    if never:
        raise NotAllowed(f"{flow.file} could never run here: {never[0]}", fix="\n  ".join(never[1:]))
    workflow = plan.workflow(name, _labels(flow, as_of, settings.owner), str(commit))
    if order.dry_run:
        cluster.create_workflow(workflow, dry_run=True)
        return answer("checked")
    kept_for = template.result() or plan.bring_code_and_template()
    try:
        workflow = _create(cluster, workflow)
    except AlreadyExists:
        # Somebody was faster with the same work: theirs is the run.
        return answer("running", cluster.get_workflow(name))
    cluster.keep_for(kept_for, workflow)
    return answer("created", workflow)


@dataclass(frozen=True, kw_only=True)
class _Found:
    state: str
    workflow: Document


class _Work(NamedTuple):
    """What a run is to do: the parameters that differ from their defaults, and the day."""

    changed: Mapping[str, str]
    as_of: str


class _Plan:
    """One run that may come to be."""

    def __init__(self, cluster: Cluster, flow: AdhocFlow, work: _Work, settings: Settings) -> None:
        self._cluster, self._argo = cluster, ArgoServer.of(settings, cluster)
        self._flow, self._work, self._settings = flow, work, settings

    def name(self, again: int = 0) -> str:
        """The one name of this work; the nth time on request, another one."""
        told = {**self._work.changed, **({"platform-again": str(again)} if again else {})}
        told.pop(DAY, None)
        return run_name(self._flow.flow, self._flow.channel, self._work.as_of, told, self._flow.package.sha256)

    def workflow_there(self, name: str) -> _Found | None:
        """Look in the cluster and in the archive."""
        try:
            workflow = self._argo.archived(name)
        except NotFound:
            return None
        return _Found(state=state_of(workflow), workflow=workflow)

    def recorded(self, name: str) -> _Found | None:
        """Look in the datastore."""
        from platform_cli.store import open_store

        datastore = open_store(self._flow.datastore, s3_endpoint=self._settings.s3_endpoint)
        there = datastore.holds(f"{self._flow.flow}/argo-{name}")
        return _Found(state="recorded", workflow={}) if there else None

    def workflow(self, name: str, labels: Mapping[str, str], commit: str) -> Document:
        """The Workflow to create: a name, whose it is, and what differs from the template."""
        annotations = {FLOW_CLASS: self._flow.flow, **({f"{LABEL_PREFIX}/commit": commit} if commit else {})}
        spec: Document = {"workflowTemplateRef": {"name": self._flow.template["metadata"]["name"]}}
        if self._work.changed:
            values = [{"name": key, "value": value} for key, value in sorted(self._work.changed.items())]
            spec["arguments"] = {"parameters": values}
        metadata = {
            "name": name,
            "namespace": self._cluster.namespace,
            "labels": dict(labels),
            "annotations": annotations,
        }
        return {"apiVersion": ARGO, "kind": "Workflow", "metadata": metadata, "spec": spec}

    def template(self) -> Document | None:
        """The very template that is wanted, where the cluster has it; it came after its code."""
        wanted = self._flow.template["metadata"]
        try:
            there = self._cluster.get_template(wanted["name"])
        except NotFound:
            return None
        return there if there["metadata"].get("annotations", {}).get(DIGEST) == wanted["annotations"][DIGEST] else None

    def bring_code_and_template(self) -> Document:
        """Upload the package, then apply the template."""
        from platform_cli.store import open_store

        store = open_store(self._flow.store, s3_endpoint=self._settings.s3_endpoint)
        with suppress(AlreadyExists):  # its name is its content's hash
            store.create(self._flow.package.name, self._flow.package.body)
        applied = self._cluster.apply(self._flow.template)
        # Argo's controller reads templates from a watch of its own, and ends a run whose template it has not seen yet.
        time.sleep(_TEMPLATE_SEEN_SECONDS)
        return applied


def state_of(workflow: Document) -> str:
    """`running`, `succeeded` or `failed`; a run that has not begun counts as running."""
    from platform_cli.runs.workflow import read_workflow

    run = read_workflow(workflow, now=time.time())
    return run.state.value if run.is_over else "running"


def _parameters(order: Order, flow: AdhocFlow) -> tuple[dict[str, str], str]:
    given = dict(order.given)
    if order.as_of and DAY in given:
        raise UsageError("the day is given twice", wanted=f"--as-of or -p {DAY}=")
    if order.as_of:
        if not any(each.name == DAY for each in flow.parameters):
            raise UsageError(f'{flow.file} has no parameter "{DAY}"', fix="Leave out --as-of.")
        given[DAY] = order.as_of
    if DAY in given:
        given[DAY] = parse_day(given[DAY], today=datetime.datetime.now().astimezone().date()).isoformat()
    changed = changed_values(flow.parameters, given, [str(path) for path in flow.package.files])
    default = next((each.default for each in flow.parameters if each.name == DAY), None)
    return changed, given.get(DAY) or default or ""


def _labels(flow: AdhocFlow, as_of: str, owner: str) -> dict[str, str]:
    labels = {**flow.template["metadata"]["labels"], f"{LABEL_PREFIX}/owner": owner}
    return {**labels, **({f"{LABEL_PREFIX}/as-of": as_of} if as_of else {})}


def _create(cluster: Cluster, workflow: Document) -> Document:
    try:
        return cluster.create_workflow(workflow)
    except Unclear:
        # The name is that of this work alone: whoever comes second is told that the run is there.
        with suppress(AlreadyExists):
            return cluster.create_workflow(workflow)
        return cluster.get_workflow(workflow["metadata"]["name"])


class _AskedGit:
    """A question to git that is answered while other things happen."""

    def __init__(self, folder: Path) -> None:
        words = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        try:
            self._process: subprocess.Popen[str] | None = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True
            )
        except OSError:
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            # Nobody may want the answer any more; the process and its pipe still have to end.
            self._process.__exit__(None, None, None)

    def __str__(self) -> str:
        return self._process.communicate()[0].strip() if self._process else ""


def _ask_git(file: Path) -> _AskedGit:
    return _AskedGit(file.resolve().parent)
