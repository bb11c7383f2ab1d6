"""
Strict JSON schemas of what the pinned Argo, Argo Events and Kubernetes accept, taken from their Go modules' zips.

Built on first use, kept outside the repository under a name made of the pins. Unknown fields are errors.
"""

import functools
import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator

PINS = {
    "github.com/argoproj/argo-workflows/v4": "v4.0.2",
    "github.com/argoproj/argo-events": "v1.9.11",
    "k8s.io/kubernetes": "v1.34.4",
}
_ARGO, _EVENTS, _KUBERNETES = PINS
_FORM = "1"  # of the files below; a change of this module's rules needs a new number
CRDS = {
    "WorkflowTemplate": (_ARGO, "manifests/base/crds/full/argoproj.io_workflowtemplates.yaml"),
    "Workflow": (_ARGO, "manifests/base/crds/full/argoproj.io_workflows.yaml"),
    "CronWorkflow": (_ARGO, "manifests/base/crds/full/argoproj.io_cronworkflows.yaml"),
}


def problems(document: dict[str, Any], kind: str = "") -> list[str]:
    """What the schema of a document's kind says against it; empty where it is valid."""
    validator = _validator(kind or document["kind"])
    return sorted(
        f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in validator.iter_errors(document)
    )


@functools.cache
def _validator(kind: str) -> Draft7Validator:
    file = _folder() / f"{kind}.json"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        schema = _build(kind)
        temporary = file.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(schema))
        temporary.replace(file)
    return Draft7Validator(json.loads(file.read_text()))


def _folder() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(json.dumps([_FORM, PINS]).encode()).hexdigest()[:16]
    return cache / "platform" / "schemas" / key


def _build(kind: str) -> dict[str, Any]:
    if kind in CRDS:
        module, path = CRDS[kind]
        crd = yaml.load((_module(module) / path).read_text(), Loader=yaml.CSafeLoader)
        schema = _strict(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"$ref": "#/definitions/ObjectMeta"}
        return schema | {"definitions": {"ObjectMeta": _metadata()}}
    if kind == "Sensor":
        document = json.loads((_module(_EVENTS) / "api/jsonschema/schema.json").read_text())
        name = next(name for name in document["definitions"] if name.endswith(".Sensor"))
    else:
        document = json.loads((_module(_KUBERNETES) / "api/openapi-spec/swagger.json").read_text())
        name = next(name for name in document["definitions"] if name.endswith(f".core.v1.{kind}"))
    definitions = {key: _strict(value) for key, value in document["definitions"].items()}
    return {"$ref": f"#/definitions/{name}", "definitions": definitions}


def _metadata() -> dict[str, Any]:
    texts = {"type": "object", "additionalProperties": {"type": "string"}}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string"},
            "namespace": {"type": "string"},
            "labels": texts,
            "annotations": texts,
        },
    }


def _strict(schema: Any) -> Any:
    """Refuse unknown fields, and read Kubernetes' own extensions as JSON Schema says them."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string") or schema.get("format") == "int-or-string":
        return {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    if (
        "Quantity" in str(schema.get("description", ""))
        and schema.get("type") == "string"
        and "properties" not in schema
    ):
        return {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    found = {key: _strict(value) for key, value in schema.items() if key not in ("description", "title", "default")}
    if "properties" in schema:
        # Fields that are called `description` or `default` are fields, not remarks.
        found["properties"] = {key: _strict(value) for key, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields") and "additionalProperties" not in schema:
            found["additionalProperties"] = False
    return found


def _module(name: str) -> Path:
    """The unpacked zip of a pinned Go module; downloaded once, verified by Go against its checksum database."""
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text("module schemas\n\ngo 1.25\n")
    done = subprocess.run(
        ["go", "mod", "download", "-json", f"{name}@{PINS[name]}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    answer = json.loads(done.stdout or "{}")
    if "Dir" not in answer:
        raise RuntimeError(f"cannot download {name}@{PINS[name]}: {answer.get('Error') or done.stderr}")
    return Path(answer["Dir"])
