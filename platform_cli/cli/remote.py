"""
Where the runs of an environment are: its cluster, Argo's archive, its datastore.

In: the settings of a command line. Out: Runs, and what else is known about them; each place is opened when it is asked.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platform_cli.errors import NotFound, PlatformError, SettingsError
from platform_cli.names import LABEL_PREFIX, flow_slug
from platform_cli.runs.values import Run, State
from platform_cli.runs.workflow import read_workflow, templates_of

if TYPE_CHECKING:
    from platform_cli.cluster import ArgoServer, Cluster
    from platform_cli.records.run import RunRecords
    from platform_cli.settings import Settings
    from platform_cli.store import Store

Document = dict[str, Any]
FLOW_LABEL = f"{LABEL_PREFIX}/flow"


@dataclass(frozen=True, kw_only=True)
class Found:
    """A run, and its Workflow; the document is empty where only the datastore remembers the run."""

    run: Run
    workflow: Document


class Remote:
    """The places of one environment."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._templates: dict[str, Document] = {}

    @cached_property
    def is_local(self) -> bool:
        """Whether the environment is this machine, which has no cluster."""
        return self.settings.environment == "local"

    @cached_property
    def cluster(self) -> Cluster:
        from platform_cli.cluster import connect

        return connect(self.settings)

    @cached_property
    def argo(self) -> ArgoServer:
        from platform_cli.cluster import ArgoServer

        return ArgoServer.of(self.settings, self.cluster)

    @cached_property
    def store(self) -> Store:
        """The root of Metaflow's datastore."""
        from platform_cli.settings import load_section
        from platform_cli.store import open_store

        if self.is_local:
            from platform_cli.records.local import find_root

            return open_store(str(find_root(os.environ, Path.cwd())))
        address = str(load_section(self.settings.environment).get("datastore", ""))
        if not address:
            raise SettingsError(f'environment "{self.settings.environment}" has no datastore')
        return open_store(address, s3_endpoint=self.settings.s3_endpoint)

    def records(self, flow: str, metaflow_run_id: str) -> RunRecords:
        """What a run left in the datastore."""
        from platform_cli.records.run import RunRecords

        return RunRecords(self.store, flow, metaflow_run_id)

    def find(self, name: str) -> Found:
        """
        Find a run by its name, or by Metaflow's `FLOW/RUN`.

        Raises:
            NotFound: neither the cluster, nor the archive, nor the datastore has it.
        """
        flow, _, run = name.rpartition("/")
        if self.is_local or flow:
            with suppress(PlatformError):
                if not self.is_local:
                    return self.find(run.removeprefix("argo-"))
            return self._recorded(flow, run)
        return self.read(self.workflow(name))

    def workflow(self, name: str) -> Document:
        """A run's Workflow with its nodes, from the cluster or from the archive."""
        try:
            document = self.cluster.get_workflow(name)
        except NotFound:
            document = self.argo.archived(name)
        if (document.get("status") or {}).get("offloadNodeStatusVersion") and not document["status"].get("nodes"):
            # Its nodes lie in Argo's database, to which only its server has a key.
            document = self.argo.archived(name)
        return document

    def read(self, document: Document) -> Found:
        """Read a Workflow; of one at which the controller has not looked yet, the steps stand in its template."""
        spec = document.get("spec") or {}
        name = (spec.get("workflowTemplateRef") or {}).get("name", "")
        if name and not templates_of(document):
            with suppress(PlatformError):
                document = {**document, "spec": {**self._template(name), **spec}}
        return Found(run=read_workflow(document, now=time.time()), workflow=document)

    def _template(self, name: str) -> Document:
        if name not in self._templates:
            self._templates[name] = self.cluster.get_template(name)["spec"]
        return self._templates[name]

    def runs(self, *, flow: str = "", since: float = 0.0, most: int = 0, exact: bool = False) -> Iterator[Run]:
        """
        The environment's runs, newest first: those of the cluster, then those that only the archive remembers.

        Args:
            flow: its class or its name in labels; since: seconds since 1970; most: how many at most, 0 is all.
            exact: ask whether `end` succeeded of those too that the archive lists without their steps.
        """
        labels = {FLOW_LABEL: flow_slug(flow)} if flow else {}
        now, live = time.time(), self.cluster.list_workflows(labels, since=since)
        names = {each["metadata"]["name"] for each in live}
        old: list[Document] = []
        # Without the archive the list is shorter, not wrong.
        with suppress(PlatformError):
            selector = ",".join(f"{key}={value}" for key, value in labels.items())
            old = [each for each in self.argo.list_archived(labels=selector, limit=most)
                   if each["metadata"]["name"] not in names]  # fmt: skip
        found = [read_workflow(each, now=now) for each in (*live, *old)]
        chosen = sorted((run for run in found if run.began >= since), key=lambda run: run.began, reverse=True)
        for run in chosen[: most or None]:
            unsure = exact and run.state is State.SUCCEEDED and not any(step.attempts for step in run.steps)
            yield self.read(self.argo.archived(run.name)).run if unsure else run

    def live_runs(self, flow: str) -> list[Run]:
        """The runs of a flow that the cluster still holds, with their steps."""
        documents = self.cluster.list_workflows({FLOW_LABEL: flow_slug(flow)})
        return [read_workflow(each, now=time.time()) for each in documents]

    def local_runs(self, flow: str = "") -> Iterator[Run]:
        """The runs of this machine, newest first."""
        from platform_cli.records.local import find_root

        root = find_root(os.environ, Path.cwd())
        folders = [path for path in root.glob(f"{flow or '*'}/*/start") if path.is_dir()]
        for start in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True):
            yield self._recorded(start.parent.parent.name, start.parent.name).run

    def _recorded(self, flow: str, run: str) -> Found:
        from platform_cli.runs.recorded import read_recorded

        if self.is_local and not flow:
            flow = next(
                (each.metaflow_run_id and each.flow for each in self.local_runs() if each.metaflow_run_id == run), ""
            )
        name = run if self.is_local or run.startswith("argo-") else f"argo-{run}"
        found = read_recorded(self.records(flow, name), now=time.time()) if flow else None
        if found is None:
            raise NotFound(
                f"there is no run {flow}/{name}".replace(" /", " "), fix="See the runs there are: platform list"
            )
        return Found(run=found, workflow={})
