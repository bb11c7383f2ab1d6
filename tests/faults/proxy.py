"""
A proxy in front of the S3 server that misbehaves on request: the faults of a network, one at a time, on purpose.

Each fault is for the next requests that match; everything else passes through unchanged.
"""

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.s3_server import ACCESS_KEY, SECRET_KEY, S3Server


@dataclass
class Fault:
    """
    One misbehaviour.

    Attributes:
        act: `refuse` hangs up before anything is forwarded, `503` answers so instead, `503-after` does so although
            the server did what was asked, `delay` forwards late, `slow` forwards at once and answers late, `drop`
            forwards and hangs up, `cut` breaks off in the middle of a body (the request's, or the answer's for GET),
            `strip` hides If-None-Match from the server.
        method, path: which requests; `path` is a part of it.
        times: how many of them.
        before: called before anything of the request is forwarded.
        also: called where the act has reached its worst moment.
    """

    act: str
    method: str = "PUT"
    path: str = ""
    times: int = 1
    seconds: float = 0.0
    before: Callable[[], object] = field(default=lambda: None)
    also: Callable[[], object] = field(default=lambda: None)


class FaultProxy:
    """A listening proxy; `endpoint` is what the product is told to use."""

    def __init__(self, server: S3Server) -> None:
        self.upstream = server.endpoint.removeprefix("http://")
        self.faults: list[Fault] = []
        self.seen: list[str] = []
        self._lock = threading.Lock()
        self._busy = 0
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._server.block_on_close = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign] # hanging up is its business
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def fault_for(self, method: str, path: str) -> Fault | None:
        """Take the first fault that matches, once."""
        with self._lock:
            self.seen.append(f"{method} {path}")
            for fault in self.faults:
                if fault.times and fault.method == method and fault.path in path:
                    fault.times -= 1
                    return fault
        return None

    def settle(self) -> None:
        """Return when every request that was on its way has ended."""
        while self._busy:
            time.sleep(0.002)

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Count one request that is on its way."""
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1

    @contextlib.contextmanager
    def running(self) -> Iterator["FaultProxy"]:
        """Listen during the block; afterwards every request that was on its way has ended."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: FaultProxy

    def log_message(self, *_: object) -> None:
        """Say nothing: the test looks at `seen`."""

    def _serve(self) -> None:
        with self.owner.request():
            self._misbehave()

    def _misbehave(self) -> None:
        fault = self.owner.fault_for(self.command, self.path)
        length = int(self.headers.get("Content-Length", 0))
        self.close_connection = True
        if fault:
            fault.before()
        match fault.act if fault else "":
            case "refuse":
                fault.also()
                self._hang_up()
            case "503":
                self.rfile.read(length)
                self._answer_503()
            case "cut" if self.command != "GET":
                self._forward_half(length)
                fault.also()
                self._hang_up()
            case _:
                self._forward(self.rfile.read(length), fault)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _serve  # noqa: N815 # the library's names

    def _forward(self, body: bytes, fault: Fault | None) -> None:
        act = fault.act if fault else ""
        if act == "delay":
            fault.also()
            time.sleep(fault.seconds)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("expect", "connection")}
        if act == "strip":
            headers = self._signed_without(headers, "if-none-match", body)
        connection = http.client.HTTPConnection(self.owner.upstream, timeout=30)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        match act:
            case "drop":
                fault.also()
                self._hang_up()
            case "503-after":
                self._answer_503()
            case "slow":
                time.sleep(fault.seconds)
                self._hang_up()
            case _:
                self._pass_on(answer, content, cut=act == "cut")

    def _pass_on(self, answer: http.client.HTTPResponse, content: bytes, *, cut: bool) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length or "0")
        self.send_header("Connection", "close")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self._hang_up()

    def _forward_half(self, length: int) -> None:
        host, port = self.owner.upstream.split(":")
        with socket.create_connection((host, int(port)), timeout=30) as upstream:
            head = [f"{self.command} {self.path} HTTP/1.1"]
            head += [f"{name}: {value}" for name, value in self.headers.items() if name.lower() != "expect"]
            upstream.sendall(("\r\n".join(head) + "\r\n\r\n").encode() + self.rfile.read(length // 2))

    def _answer_503(self) -> None:
        body = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
        self.send_response_only(503, "Service Unavailable")
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _hang_up(self) -> None:
        # Linger 0: the client gets a reset, as from a machine that lost its power.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.wfile = contextlib.nullcontext()  # type: ignore[assignment]
        self.connection.close()

    def _signed_without(self, headers: dict[str, str], hidden: str, body: bytes) -> dict[str, str]:
        """Leave a header out and sign again, since the signature covered it."""
        kept = {name: value for name, value in headers.items() if name.lower() not in (hidden, "authorization")}
        url = f"http://{headers['Host']}{self.path}"
        request = AWSRequest(method=self.command, url=url, headers=kept, data=body)
        S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", "us-east-1").add_auth(request)
        return dict(request.headers.items())
