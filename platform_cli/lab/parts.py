"""
What is applied to the cluster, part by part, and how it is known whether a part has changed.

In: images by name, the state's secrets, this checkout's helm/ and k8s/. Out: documents, or a helm release.

Namespaces and Secrets come first, since the others name them. Our own objects are a helm release, so that what the
chart no longer has goes away. Argo's are its own manifests with our differences, applied on the server's side: helm
keeps a release in one Secret of 1 MB, and Argo's full CRDs are ten times that.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from platform_cli.lab.engine import Node, run
from platform_cli.lab.images import ROOT, key_of, tool
from platform_cli.lab.state import Folder, State, secret_documents

_KIND = ROOT / "k8s" / "kind"
_CHART = ROOT / "helm" / "platform"
_VALUES = ROOT / "helm" / "values" / "platform-kind.yaml"
# Chart value -> image; the chart's Deployments have the same names.
_CHART_IMAGES = {
    "s3": "versitygw",
    "postgres": "postgres",
    "mlflow": "mlflow",
    "prometheus": "prometheus",
    "pushgateway": "pushgateway",
}
_ARGO_IMAGES = {
    "quay.io/argoproj/workflow-controller": "argo-controller",
    "quay.io/argoproj/argocli": "argo-server",
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """
    Attributes:
        key: of everything that the part is made of; another key means that it must be applied again.
        apply: applies it.
    """

    name: str
    key: str
    apply: Callable[[], None]


def parts_of(node: Node, folder: Folder, state: State, images: Mapping[str, str]) -> list[Part]:
    """Return the parts in the order in which they are applied."""
    secrets = json.dumps({"apiVersion": "v1", "kind": "List", "items": secret_documents(state)})
    chart = [images[name] for name in _CHART_IMAGES.values()]
    argo = [images[name] for name in ("argo-controller", "argo-server", "argoexec")]
    pins = ROOT / "tools" / "argo", ROOT / "tools" / "kwok"
    return [
        Part(
            name="namespaces",
            key=key_of([ROOT / "k8s" / "base"]),
            apply=lambda: node.apply((ROOT / "k8s/base/namespaces.yaml").read_text(encoding="utf-8")),
        ),
        Part(name="secrets", key=key_of([], secrets), apply=lambda: node.apply(secrets)),
        Part(name="platform", key=key_of([_CHART, _VALUES], *chart), apply=lambda: _install(folder, images)),
        Part(name="crds", key=key_of([pins[0]]), apply=lambda: _apply_crds(node)),
        Part(name="argo", key=key_of([_KIND / "argo", pins[0]], *argo), apply=lambda: _apply_argo(node, images)),
        Part(
            name="gpu",
            key=key_of([_KIND / "gpu", pins[1]], images["kwok"]),
            apply=lambda: _apply_gpu(node, images),
        ),
    ]


def chart_values(images: Mapping[str, str]) -> dict[str, object]:
    """Return the images as the chart's values name them."""
    return {value: {"image": images[name]} for value, name in _CHART_IMAGES.items()}


def _install(folder: Folder, images: Mapping[str, str]) -> None:
    words = ["upgrade", "--install", "platform", str(_CHART), "--namespace", "platform", "--values", str(_VALUES)]
    words += ["--values", "-", "--kubeconfig", str(folder.kubeconfig), "--kube-context", "kind-platform"]
    run([tool("build.py", "helm"), *words], given=json.dumps(chart_values(images)))


def _apply_crds(node: Node) -> None:
    node.apply(node.kustomize(_upstream("argo", "manifests") / "base" / "crds" / "full"))
    node.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd/workflows.argoproj.io")


def _apply_argo(node: Node, images: Mapping[str, str]) -> None:
    upstream = {"upstream": _upstream("argo", "manifests")}
    executor: dict[str, object] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "workflow-controller"},
        "spec": {"template": {"spec": {"containers": [_executor_variable(images["argoexec"])]}}},
    }
    renamed = {public: images[name] for public, name in _ARGO_IMAGES.items()}
    node.apply(_rendered(node, _KIND / "argo", upstream, renamed, [executor]))


def _executor_variable(image: str) -> dict[str, object]:
    return {"name": "workflow-controller", "env": [{"name": "EXECUTOR_IMAGE", "value": image}]}


def _apply_gpu(node: Node, images: Mapping[str, str]) -> None:
    upstream = {"upstream": _upstream("kwok", "kustomize")}
    node.apply(_rendered(node, _KIND / "gpu", upstream, {"kwok": images["kwok"]}, []))


def _upstream(program: str, folder: str) -> Path:
    """Where upstream's files of a tool lie, of exactly the version that tools/ pins."""
    return Path(tool("build.py", "--files", program)) / folder


def _rendered(
    node: Node, base: Path, links: Mapping[str, Path], renamed: Mapping[str, str], patches: list[dict[str, object]]
) -> str:
    with tempfile.TemporaryDirectory(prefix="platform-render-") as temporary:
        folder = Path(temporary)
        shutil.copytree(base, folder / base.name)
        for name, target in links.items():
            (folder / base.name / name).symlink_to(target)
        # JSON is YAML: nothing here needs a YAML library.
        document = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [base.name],
            "images": [_renamed(name, reference) for name, reference in renamed.items()],
            "patches": [{"patch": json.dumps(patch)} for patch in patches],
        }
        (folder / "kustomization.yaml").write_text(json.dumps(document), encoding="utf-8")
        return node.kustomize(folder)


def _renamed(name: str, reference: str) -> dict[str, str]:
    image, _, tag = reference.rpartition(":")
    return {"name": name, "newName": image, "newTag": tag}
