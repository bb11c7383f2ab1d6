"""
What the platform asks of the Kubernetes API, in one namespace.

In: names, labels, documents. Out: plain documents as the API gives them.

Status that Argo packed because it was long is unpacked here, so that no reader needs to know.
"""

from __future__ import annotations

import base64
import datetime
import gzip
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from platform_cli.cluster.access import read_access
from platform_cli.cluster.watching import watch_object
from platform_cli.cluster.wire import Gone, Wire, segment
from platform_cli.errors import NotFound, PlatformError, SettingsError, Unreachable
from platform_cli.settings import Settings, load_section

Document = dict[str, Any]

ARGO = "argoproj.io/v1alpha1"
FIELD_MANAGER = "platform-cli"
WORKFLOW_LABEL = "workflows.argoproj.io/workflow"
_PAGE = 500
# Where each kind is served; those with a group live under /apis.
_PLURALS = {
    "Workflow": (ARGO, "workflows"),
    "WorkflowTemplate": (ARGO, "workflowtemplates"),
    "ConfigMap": ("v1", "configmaps"),
    "ServiceAccount": ("v1", "serviceaccounts"),
    "Pod": ("v1", "pods"),
}
_MERGE, _APPLY = "application/merge-patch+json", "application/apply-patch+yaml"


def connect(settings: Settings) -> Cluster:
    """
    Open the door to an environment's cluster; nothing is sent yet.

    Raises:
        SettingsError: the environment has no cluster, or no kubeconfig leads to it.
    """
    section = load_section(settings.environment)
    if not section.get("queues"):
        raise SettingsError(
            f'environment "{settings.environment}" has no cluster',
            fix="Name one with --env or PLATFORM_ENV; on this machine: --env kind, after `platform cluster up`.",
        )
    access = read_access(str(section.get("context", "")), str(section.get("kubeconfig", "")), os.environ)
    return Cluster(Wire(access), namespace=str(section.get("namespace") or access.namespace))


class Cluster:
    """One namespace of one cluster. Threads may share it."""

    def __init__(self, wire: Wire, *, namespace: str) -> None:
        self.wire = wire
        self.namespace = namespace

    @property
    def context(self) -> str:
        return self.wire.access.context

    def get_workflow(self, name: str) -> Document:
        """A run's Workflow, its nodes unpacked; NotFound where there is none."""
        return unpacked(self._get("Workflow", name))

    def list_workflows(self, labels: Mapping[str, str] | None = None, *, since: float = 0.0) -> list[Document]:
        """
        Every Workflow with these labels, newest first.

        Args:
            labels: an empty value means "has the label".
            since: seconds since the epoch; older ones are left out.
        """
        selector = ",".join(f"{key}={value}" if value else key for key, value in sorted((labels or {}).items()))
        found = self.all_of("Workflow", labels=selector)
        began = datetime.datetime.fromtimestamp(since, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        recent = [each for each in found if each["metadata"]["creationTimestamp"] >= began]
        return sorted(recent, key=_created, reverse=True)

    def create_workflow(self, document: Document, *, dry_run: bool = False) -> Document:
        """
        Create a Workflow under its own name.

        Args:
            dry_run: the server checks and admits it, and keeps nothing.
        Raises:
            AlreadyExists: there is one of that name. Unclear: it was sent, and no answer came.
        """
        query = {"fieldManager": FIELD_MANAGER, "dryRun": "All" if dry_run else ""}
        name = document["metadata"]["name"]
        path = self.collection("Workflow")
        return self.wire.ask("POST", path, f"create workflows {name}", query=query, body=document)

    def patch_workflow(self, name: str, change: Document) -> Document:
        """Merge a change into a Workflow (RFC 7386)."""
        path = f"{self.collection('Workflow')}/{segment(name)}"
        return self.wire.ask("PATCH", path, f"patch workflows {name}", body=change, form=_MERGE)

    def delete(self, kind: str, name: str) -> None:
        """Delete an object; NotFound where there is none."""
        plural = _PLURALS[kind][1]
        self.wire.ask("DELETE", f"{self.collection(kind)}/{segment(name)}", f"delete {plural} {name}")

    def apply(self, document: Document) -> Document:
        """Make an object what the document says (server-side apply); fields that others own and it leaves out stay."""
        name = document["metadata"]["name"]
        path = f"{self.collection(document['kind'])}/{segment(name)}"
        query = {"fieldManager": FIELD_MANAGER, "force": True}
        act = f"apply {_PLURALS[document['kind']][1]} {name}"
        return self.wire.ask("PATCH", path, act, query=query, body=document, form=_APPLY)

    def keep_for(self, template: Document, workflow: Document) -> None:
        """
        Let a template live as long as this run does, and every other one that it was kept for.

        Args:
            template, workflow: as the API gave them; a template that was made anew since is left alone.
        """
        owner = {
            "apiVersion": ARGO, "kind": "Workflow",
            "name": workflow["metadata"]["name"], "uid": workflow["metadata"]["uid"],
        }  # fmt: skip
        name = template["metadata"]["name"]
        # The uid: else a template that is gone would be made, empty, by this very request.
        metadata = {"name": name, "uid": template["metadata"]["uid"], "ownerReferences": [owner]}
        body = {"apiVersion": ARGO, "kind": "WorkflowTemplate", "metadata": metadata}
        path = f"{self.collection('WorkflowTemplate')}/{segment(name)}"
        # One manager per run: each owns its line of the list, and no other one's request takes it away.
        query = {"fieldManager": owner["name"], "force": True}
        with suppress(Gone):
            self.wire.ask("PATCH", path, f"patch workflowtemplates {name}", query=query, body=body, form=_APPLY)

    def get_template(self, name: str) -> Document:
        """A WorkflowTemplate; NotFound where there is none."""
        return self._get("WorkflowTemplate", name)

    def watch_workflow(
        self, name: str, *, on_drop: Callable[[PlatformError], None] = lambda _: None
    ) -> Iterator[Document]:
        """Yield a run's Workflow as it is and after every change; see `watching.watch_object`."""
        for document in watch_object(self.wire, self.collection("Workflow"), name, on_drop=on_drop):
            yield unpacked(document)

    def pods(self, run: str) -> list[Document]:
        """The pods of a run that still exist, oldest first."""
        return sorted(self.all_of("Pod", labels=f"{WORKFLOW_LABEL}={run}"), key=_created)

    def pod_logs(
        self,
        pod: str,
        container: str = "main",
        *,
        follow: bool = False,
        since: str = "",
        tail: int | None = None,
        timestamps: bool = False,
    ) -> Iterator[str]:
        """
        Yield a container's lines, and those to come where `follow` is set; a dropped connection is taken up again.

        Args:
            since: RFC 3339; earlier lines are left out.
            timestamps: each line begins with the time at which the kubelet saw it, and a space.
        """
        query: dict[str, Any] = {
            "container": container, "follow": follow, "sinceTime": since, "timestamps": True,
            "tailLines": "" if tail is None else tail,
        }  # fmt: skip
        path, last = f"{self.collection('Pod')}/{segment(pod)}/log", ""
        while True:
            try:
                # A step may be silent for hours; keepalives of the kubelet are not seen here, so silence reconnects.
                for raw in self.wire.lines(path, f"get pods/log {pod}", query):
                    line = raw.decode(errors="replace")
                    moment = line.partition(" ")[0]
                    # `sinceTime` counts whole seconds: what was shown already comes again.
                    if moment > last:
                        last = moment
                        yield line if timestamps else line.partition(" ")[2]
                return
            except Unreachable:
                # Raises where the server itself is gone; NotFound where the pod is.
                self._get("Pod", pod)
                if not follow:
                    raise
                query |= {"sinceTime": last or since, "tailLines": "" if last else query["tailLines"]}

    def events(self, name: str) -> list[Document]:
        """What happened to a run or to one of its pods, oldest first; Kubernetes keeps events for an hour."""
        found = self._list("/api/v1", "events")
        own = [each for each in found if _concerns(each.get("involvedObject", {}).get("name", ""), name)]
        return sorted(own, key=lambda each: each.get("lastTimestamp") or each.get("eventTime") or _created(each))

    def nodes(self) -> list[Document]:
        return self._list("/api/v1", "nodes", everywhere=True)

    def quotas(self) -> list[Document]:
        return self._list("/api/v1", "resourcequotas")

    def limit_ranges(self) -> list[Document]:
        return self._list("/api/v1", "limitranges")

    def priority_classes(self) -> list[Document]:
        return self._list("/apis/scheduling.k8s.io/v1", "priorityclasses", everywhere=True)

    def node_pools(self) -> list[Document]:
        """Karpenter's pools; NotFound where there is no Karpenter."""
        return self._list("/apis/karpenter.sh/v1", "nodepools", everywhere=True)

    def exists(self, kind: str, name: str) -> bool:
        """Whether there is an object of that name."""
        try:
            self._get(kind, name)
        except NotFound:
            return False
        return True

    def all_of(self, kind: str, *, labels: str = "") -> list[Document]:
        """Every object of a kind in the namespace; `labels` is a selector."""
        return [unpacked(each) for each in self._list(_root(kind), _PLURALS[kind][1], labels=labels)]

    def may(self, verb: str, resource: str, group: str = "", namespace: str = "") -> bool:
        """Whether the one who asks is allowed to, as `kubectl auth can-i` says it."""
        resource, _, part = resource.partition("/")
        attributes = {"verb": verb, "resource": resource, "subresource": part, "group": group}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {**attributes, "namespace": namespace or self.namespace}},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = self.wire.ask("POST", path, "create selfsubjectaccessreviews", body=body)
        return bool(answer["status"].get("allowed"))

    def version(self) -> str:
        """The server's version, such as v1.34.4."""
        return str(self.wire.ask("GET", "/version", "get /version").get("gitVersion", ""))

    def token(self, service_account: str, *, seconds: int = 600) -> str:
        """A short-lived token of a service account; who asks needs `create serviceaccounts/token`."""
        path = f"{self.collection('ServiceAccount')}/{segment(service_account)}/token"
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        act = f"create serviceaccounts/token {service_account}"
        answer = self.wire.ask("POST", path, act, body=body)
        return str(answer["status"]["token"])

    def collection(self, kind: str) -> str:
        """Path of a kind's objects in the namespace."""
        return f"{_root(kind)}/namespaces/{self.namespace}/{_PLURALS[kind][1]}"

    def _get(self, kind: str, name: str) -> Document:
        plural = _PLURALS[kind][1]
        return self.wire.ask("GET", f"{self.collection(kind)}/{segment(name)}", f"get {plural} {name}")

    def _list(self, root: str, plural: str, *, labels: str = "", everywhere: bool = False) -> list[Document]:
        path = f"{root}/{plural}" if everywhere else f"{root}/namespaces/{self.namespace}/{plural}"
        query = {"labelSelector": labels, "limit": _PAGE, "continue": ""}
        found: list[Document] = []
        while True:
            page = self.wire.ask("GET", path, f"list {plural}", query=query)
            found += page.get("items") or []
            query["continue"] = page.get("metadata", {}).get("continue", "")
            if not query["continue"]:
                return found


def unpacked(workflow: Document) -> Document:
    """
    Put a Workflow's packed nodes back where readers look for them.

    Source: argo-workflows v4.0.2, workflow/packer/packer.go; util/file/fileutil.go
    """
    status = workflow.get("status") or {}
    packed = status.pop("compressedNodes", "")
    if packed:
        status["nodes"] = json.loads(gzip.decompress(base64.b64decode(packed)))
    return workflow


def _root(kind: str) -> str:
    version = _PLURALS[kind][0]
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _created(document: Document) -> str:
    return str(document["metadata"].get("creationTimestamp") or "")


def _concerns(involved: str, name: str) -> bool:
    return involved == name or involved.startswith(f"{name}-")
