"""
Argo's own server: what the Kubernetes API cannot do, restarting a run and remembering those that are gone.

In: names of runs. Out: documents and lines. Every request carries a short-lived token of the submitter's account, made
with the caller's own right to it.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from platform_cli.cluster.access import Access
from platform_cli.cluster.cluster import Cluster
from platform_cli.cluster.wire import Wire, segment
from platform_cli.errors import NotFound, SettingsError
from platform_cli.settings import Settings, load_outside

Document = dict[str, Any]

SUBMITTER = "platform-submitter"
_LOG_ARTIFACT = "main-logs"


class ArgoServer:
    """Argo's server, for the runs of one namespace."""

    def __init__(self, cluster: Cluster, address: str) -> None:
        self._cluster = cluster
        self._address = address

    @classmethod
    def of(cls, settings: Settings, cluster: Cluster) -> ArgoServer:
        """
        Raises:
            SettingsError: the environment does not say where the server is.
        """
        address = load_outside(settings.environment, "argo")
        if not address:
            raise SettingsError(
                f'environment "{settings.environment}" does not say where Argo\'s server is',
                wanted=f'[environments.{settings.environment}.outside] argo = "https://..."',
            )
        return cls(cluster, address)

    @cached_property
    def _wire(self) -> Wire:
        trust = ssl.create_default_context() if self._address.startswith("https") else None
        access = Access(context="", server=self._address, trust=trust, token=self._cluster.token(SUBMITTER))
        return Wire(access, what="Argo's server")

    def retry(
        self,
        name: str,
        *,
        restart_successful: bool = False,
        node_selector: str = "",
        parameters: Mapping[str, str] | None = None,
    ) -> Document:
        """
        Run again, in the same run, what failed.

        Args:
            restart_successful: with `node_selector`, also the nodes that it matches.
            parameters: all of the run's, where one is to change: Argo forgets those that only the template has.
        """
        body = {
            "name": name,
            "namespace": self._cluster.namespace,
            "restartSuccessful": restart_successful,
            "nodeFieldSelector": node_selector,
            **({"parameters": [f"{key}={value}" for key, value in parameters.items()]} if parameters else {}),
        }
        return self._wire.ask("PUT", f"{self._runs}/{segment(name)}/retry", f"retry workflows {name}", body=body)

    def archived(self, name: str) -> Document:
        """A run's Workflow with all its nodes, from the cluster or from the archive; NotFound where neither has it."""
        return self._wire.ask("GET", f"{self._runs}/{segment(name)}", f"get workflows {name}")

    def list_archived(self, *, labels: str = "", prefix: str = "", limit: int = 0) -> list[Document]:
        """
        Runs in the archive, newest first, without their nodes.

        Args:
            labels: a selector; prefix: of the name; limit: 0 is all.
        """
        query = {
            "namespace": self._cluster.namespace,
            "namePrefix": prefix,
            "listOptions.labelSelector": labels,
            "listOptions.limit": limit or "",
        }
        found = self._wire.ask("GET", "/api/v1/archived-workflows", "list archived workflows", query=query)
        return found.get("items") or []

    def stored_log(self, workflow: str, node_id: str) -> Iterator[str]:
        """
        Yield the lines of a step whose pod may be gone.

        Args:
            workflow: a run's name, or the uid of an archived one.
        Raises:
            NotFound: no log was stored for that node.
        """
        kind = "archived-workflows" if _is_uid(workflow) else "workflows"
        path = (
            f"/artifact-files/{self._cluster.namespace}/{kind}/{segment(workflow)}/{segment(node_id)}"
            f"/outputs/{_LOG_ARTIFACT}"
        )
        for line in self._wire.lines(path, f"get the stored log of {node_id}", {}):
            yield line.decode(errors="replace")

    def version(self) -> str:
        """The server's version, such as v4.0.2."""
        return str(self._wire.ask("GET", "/api/v1/version", "get its version").get("version", ""))

    def has(self, name: str) -> bool:
        """Whether the cluster or the archive holds a run of that name."""
        try:
            self.archived(name)
        except NotFound:
            return False
        return True

    @property
    def _runs(self) -> str:
        return f"/api/v1/workflows/{self._cluster.namespace}"


def _is_uid(text: str) -> bool:
    return len(text) == 36 and text.count("-") == 4 and set(text) <= set("0123456789abcdef-")
