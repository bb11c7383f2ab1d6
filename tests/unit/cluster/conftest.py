"""A real Kubernetes API server over a real etcd, on loopback, without any node: seconds to start."""

import contextlib
import datetime
import json
import os
import selectors
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.s3_server import free_port
from tools.build import build_all

TOKENS = 'root-token,root,root,"system:masters"\nann-token,ann,ann\n'
NAMESPACE = "ml"
ANYBODY = ssl._create_unverified_context()  # noqa: S323 # the certificate is made when the server first starts
KINDS = {"workflows": "Workflow", "workflowtemplates": "WorkflowTemplate", "cronworkflows": "CronWorkflow"}


def custom_kind(plural: str, kind: str) -> dict:
    """What Argo's own definitions say, as far as a test of the way there cares: a spec must be."""
    schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {
            name: {"type": "object", "x-kubernetes-preserve-unknown-fields": True} for name in ("spec", "status")
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.argoproj.io"},
        "spec": {
            "group": "argoproj.io",
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [{"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


@dataclass
class ApiServer:
    """One etcd and one API server."""

    folder: Path
    binaries: dict[str, Path]
    port: int = field(default_factory=free_port)
    etcd_port: int = field(default_factory=free_port)
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start what does not run, and wait until it answers."""
        if "etcd" not in self.processes:
            peers, clients = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{self.etcd_port}"
            words = ["--data-dir", str(self.folder / "etcd"), "--unsafe-no-fsync", "--log-level", "error"]
            words += ["--listen-client-urls", clients, "--advertise-client-urls", clients, "--listen-peer-urls", peers]
            self._start("etcd", words)
        words = [
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}", f"--secure-port={self.port}",
            "--bind-address=127.0.0.1", f"--cert-dir={self.folder / 'certs'}",
            f"--service-account-key-file={self.folder / 'sa.key'}",
            f"--service-account-signing-key-file={self.folder / 'sa.key'}",
            "--service-account-issuer=https://kubernetes.default.svc", f"--token-auth-file={self.folder / 'tokens'}",
            f"--client-ca-file={self.folder / 'client.crt'}", "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24", "--disable-admission-plugins=ServiceAccount",
        ]  # fmt: skip
        self._start("kube-apiserver", words)
        self._wait()

    def stop(self, name: str) -> None:
        """Kill one process and wait until it is gone."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def request(self, method: str, path: str, body: object = None) -> dict:
        """A plain request by the root user, for what a test does behind the product's back."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": "Bearer root-token", "Content-Type": "application/json"}
        request = urllib.request.Request(self.address + path, data=content, headers=headers, method=method)  # noqa: S310
        with urllib.request.urlopen(request, context=ANYBODY, timeout=5) as answer:  # noqa: S310
            return json.loads(answer.read())

    def kubeconfig(self, *, user: dict | None = None, address: str = "") -> Path:
        """A kubeconfig with one context, called `test`."""
        entry = {"server": address or self.address, "certificate-authority": "certs/apiserver.crt"}
        document = {
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u", "namespace": NAMESPACE}}],
            "clusters": [{"name": "c", "cluster": entry}],
            "users": [{"name": "u", "user": user or {"token": "root-token"}}],
        }
        file = self.folder / f"kubeconfig-{free_port()}"
        file.write_text(json.dumps(document))  # JSON is YAML
        return file

    def _start(self, name: str, words: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [str(self.binaries[name]), *words]
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _wait(self) -> None:
        until = time.monotonic() + 90
        while True:
            try:
                urllib.request.urlopen(f"{self.address}/readyz", context=ANYBODY, timeout=2).close()  # noqa: S310
                return
            except OSError:
                assert self.processes["kube-apiserver"].poll() is None, (self.folder / "kube-apiserver.log").read_text()
                assert time.monotonic() < until, (self.folder / "kube-apiserver.log").read_text()
                time.sleep(0.2)


def write_keys(folder: Path) -> None:
    """A key for service accounts, and a certificate of its own authority for a user called `cert-user`."""
    from cryptography import x509  # noqa: PLC0415 # half a second that only these tests need
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    for name in ("sa", "client"):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (folder / f"{name}.key").write_bytes(key.private_bytes(*form))
    who = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "cert-user"),
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "system:masters"),
        ]
    )
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "client.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The API server with Argo's kinds and one namespace."""
    folder = tmp_path_factory.mktemp("api")
    (folder / "tokens").write_text(TOKENS)
    write_keys(folder)
    server = ApiServer(folder, build_all(["etcd", "kube-apiserver"]))
    try:
        server.start()
        server.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        for plural, kind in KINDS.items():
            server.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", custom_kind(plural, kind))
        for plural in KINDS:
            wait_until_served(server, f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/{plural}")
        yield server
    finally:
        for name in list(server.processes):
            server.stop(name)


def wait_until_served(server: ApiServer, path: str) -> None:
    for _ in range(100):
        with contextlib.suppress(urllib.error.HTTPError):
            server.request("GET", path)
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} is not served")


class Proxy:
    """A TCP proxy whose connections a test can cut, and which can refuse new ones or lose the next answers."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.refuses = False
        self.answers_to_lose = 0
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection there is, the way a router does that forgets them."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.refuses = True
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.refuses:
                    client.close()
                    continue
                self.connections += 1
                pair = (client, socket.create_connection(("127.0.0.1", self._target)))
                self._pairs.append(pair)
                threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        other = {client: server, server: client}
        with selectors.DefaultSelector() as ready, contextlib.suppress(OSError):
            for end in other:
                ready.register(end, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    piece = os.read(key.fd, 65536)
                    if not piece:
                        raise OSError
                    if key.fileobj is server and self.answers_to_lose:
                        self.answers_to_lose -= 1
                        raise OSError
                    other[key.fileobj].sendall(piece)
        for end in other:
            end.close()


@pytest.fixture
def proxy(api: ApiServer) -> Iterator[Proxy]:
    between = Proxy(api.port)
    yield between
    between.close()
