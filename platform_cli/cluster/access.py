"""
A kubeconfig and a context -> how to reach one API server, and as whom.

In: files that kubectl reads too. Out: Access: address, trust, and a way to authorise each request.

Plugins (`exec`, as EKS uses) are asked once per token and again when it is refused. Inside a pod, where there is no
kubeconfig, the service account's own files are used.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from platform_cli.errors import NotAllowed, SettingsError, did_you_mean

# Source: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api
_IN_A_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PLUGIN_SECONDS = 60


@dataclass(kw_only=True)
class Access:
    """
    One API server, as one user.

    Attributes:
        context: name that people know the cluster by.
        trust: None for plain http.
    """

    context: str
    server: str
    namespace: str = "default"
    trust: ssl.SSLContext | None = None
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    plugin: Mapping[str, Any] | None = None

    def headers(self, *, renew: bool = False) -> dict[str, str]:
        """
        What authorises a request.

        Args:
            renew: the server refused what the last call gave.
        """
        if self.plugin and (renew or not self.token):
            self.token = _ask_plugin(self.plugin, self.context)
        if self.token_file:
            # The kubelet writes a new one every hour.
            self.token = self.token_file.read_text(encoding="utf-8").strip()
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


def read_access(context: str, kubeconfig: str, environ: Mapping[str, str]) -> Access:
    """
    Find a context.

    Args:
        context: its name; the file's current one where empty.
        kubeconfig: a file; empty for KUBECONFIG, then ~/.kube/config, then the pod's service account.
    Raises:
        SettingsError: no file, no such context, or an entry that cannot be read.
    """
    named = kubeconfig or environ.get("KUBECONFIG") or str(Path(environ.get("HOME", "~"), ".kube", "config"))
    files = [Path(name).expanduser() for name in named.split(os.pathsep) if name]
    found = [file for file in files if file.is_file()]
    if not found and "KUBERNETES_SERVICE_HOST" in environ:
        return _of_the_pod(environ)
    if not found:
        raise SettingsError(
            f"there is no kubeconfig at {files[0]}",
            fix="Make a cluster on this machine with `platform cluster up`, or set KUBECONFIG.",
        )
    documents = [(file, _read(file)) for file in found]
    wanted = context or next((str(d["current-context"]) for _, d in documents if d.get("current-context")), "")
    for file, document in documents:
        entry = _entry(document, "context", wanted)
        if entry is not None:
            return _access(file, document, wanted, entry)
    known = [str(each.get("name")) for _, document in documents for each in document.get("contexts") or []]
    raise SettingsError(f'{found[0]} has no context "{wanted}"', fix=did_you_mean(wanted, known))


def _read(file: Path) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.load(file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 # safe
    except (yaml.YAMLError, OSError) as error:
        raise SettingsError(f"{file} cannot be read ({' '.join(str(error).split())[:200]})") from error
    if not isinstance(document, dict):
        raise SettingsError(f"{file} is not a kubeconfig")
    return document


def _entry(document: dict[str, Any], kind: str, name: str) -> dict[str, Any] | None:
    entries = document.get(f"{kind}s") or []
    return next((each.get(kind) or {} for each in entries if each.get("name") == name), None)


def _access(file: Path, document: dict[str, Any], context: str, entry: dict[str, Any]) -> Access:
    cluster = _entry(document, "cluster", entry.get("cluster", ""))
    user = _entry(document, "user", entry.get("user", "")) or {}
    if not cluster or not cluster.get("server"):
        raise SettingsError(f'{file}: context "{context}" names a cluster that is not in the file')
    token_file = user.get("tokenFile")
    return Access(
        context=context,
        server=str(cluster["server"]).rstrip("/"),
        namespace=str(entry.get("namespace") or "default"),
        trust=_trust(file, cluster, user) if str(cluster["server"]).startswith("https") else None,
        token=str(user.get("token") or ""),
        token_file=_beside(file, token_file) if token_file else None,
        plugin=user.get("exec"),
    )


def _trust(file: Path, cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    authority, inline = cluster.get("certificate-authority"), cluster.get("certificate-authority-data")
    try:
        trust = ssl.create_default_context(
            cafile=str(_beside(file, authority)) if authority and not inline else None,
            cadata=base64.b64decode(inline).decode() if inline else None,
        )
        if cluster.get("insecure-skip-tls-verify"):
            trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        certificate, key = (_pem(file, user, name) for name in ("client-certificate", "client-key"))
        if certificate and key:
            # OpenSSL reads a key only from a file; mkstemp's is nobody else's to read, and lives for this one call.
            with tempfile.NamedTemporaryFile(suffix=".pem") as both:
                both.write(certificate + b"\n" + key)
                both.flush()
                trust.load_cert_chain(both.name)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file}: a certificate cannot be read ({error})") from error
    return trust


def _pem(file: Path, user: dict[str, Any], name: str) -> bytes:
    if inline := user.get(f"{name}-data"):
        return base64.b64decode(inline)
    return _beside(file, user[name]).read_bytes() if user.get(name) else b""


def _beside(file: Path, path: str) -> Path:
    """Relative paths in a kubeconfig are relative to it."""
    return file.parent / Path(path).expanduser()


def _of_the_pod(environ: Mapping[str, str]) -> Access:
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT", "443")
    return Access(
        context="this pod's cluster",
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        namespace=(_IN_A_POD / "namespace").read_text(encoding="utf-8").strip(),
        trust=ssl.create_default_context(cafile=str(_IN_A_POD / "ca.crt")),
        token_file=_IN_A_POD / "token",
    )


def _ask_plugin(plugin: Mapping[str, Any], context: str) -> str:
    """
    Run a credential plugin.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
    """
    version = plugin.get("apiVersion", "client.authentication.k8s.io/v1")
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    added = {each["name"]: each["value"] for each in plugin.get("env") or []}
    command = [str(plugin["command"]), *map(str, plugin.get("args") or [])]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PLUGIN_SECONDS, check=True,
            env={**os.environ, **added, "KUBERNETES_EXEC_INFO": json.dumps(info)},
        )  # fmt: skip
        return str(json.loads(done.stdout)["status"]["token"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        said = " ".join((getattr(error, "stderr", None) or str(error)).split())[:300]
        raise NotAllowed(
            f'`{command[0]}`, which logs in to the cluster "{context}", gave no token ({said})',
            fix=f"Run it by hand: {' '.join(command)}",
        ) from error
