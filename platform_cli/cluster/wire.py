"""
Requests to one server, and what its answers mean.

In: an Access, a method, a path. Out: documents, or lines while they come; PlatformErrors that say what was asked.

What may happen twice (a read, a patch, a review) is sent again where it was cut. Any other write is sent once: where
no answer came the caller gets Unclear and must look.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import urllib3

from platform_cli.cluster.access import Access
from platform_cli.errors import AlreadyExists, NotAllowed, NotFound, PlatformError, Unclear, Unreachable

CONNECT_SECONDS = 4
ANSWER_SECONDS = 30
# Bookmarks come about once a minute: a watch that is silent for longer has lost its server without noticing.
SILENCE_SECONDS = 90
_PAUSES = (0.3, 1.0)
# Kinds that the API server answers and does not keep.
_NOT_KEPT = ("/token", "/selfsubjectaccessreviews")
_NEVER_SENT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.SSLError,
)


class Gone(PlatformError):
    """What the request builds on is no longer so: a version that a watch wanted to begin at, an object's uid."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One request. `act` is what is being done, for errors; `form` the media type of the body."""

    method: str
    path: str
    act: str
    query: Mapping[str, Any]
    body: bytes | None = None
    form: str = ""


class Wire:
    """A pool of connections to one server; threads may share it."""

    def __init__(self, access: Access, *, what: str = "the cluster") -> None:
        self.access = access
        self._name = f'{what} "{access.context}"' if access.context else what
        self._prefix = urlsplit(access.server).path

    @classmethod
    def to(cls, address: str) -> Wire:
        """A wire to a server of the platform that is not Kubernetes, and asks nobody who he is."""
        trust = ssl.create_default_context() if address.startswith("https") else None
        return cls(Access(context="", server=address.rstrip("/"), trust=trust), what="the server")

    def text(self, path: str) -> str:
        """The answer to a plain GET; Unreachable or NotAllowed where it is no answer."""
        question = Question(method="GET", path=path, act=f"get {path}", query={})
        return self._send(question).data.decode(errors="replace")

    @cached_property
    def _pool(self) -> urllib3.HTTPConnectionPool:
        parts = urlsplit(self.access.server)
        host = parts.hostname or "localhost"
        if parts.scheme == "https":
            trust = self.access.trust
            return urllib3.HTTPSConnectionPool(host, parts.port or 443, maxsize=8, retries=False, ssl_context=trust)
        return urllib3.HTTPConnectionPool(host, parts.port or 80, maxsize=8, retries=False)

    def ask(
        self,
        method: str,
        path: str,
        act: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        form: str = "application/json",
    ) -> dict[str, Any]:
        """
        Send one request and return the document that answers it.

        Args:
            act: what is being done, for errors, such as `create workflows hello-1a2b`.
            form: media type of the body; kinds of patches are told apart by it.
        Raises:
            NotAllowed, NotFound, AlreadyExists: the server says no. Unreachable: it does not answer.
            Unclear: a write was sent, and no answer came.
        """
        content = None if body is None else json.dumps(body).encode()
        question = Question(method=method, path=path, act=act, query=query or {}, body=content, form=form)
        # Each patch says what shall be, not what shall be added.
        pauses = _PAUSES if method in ("GET", "PATCH") or path.endswith(_NOT_KEPT) else ()
        for pause in (*pauses, None):
            try:
                response = self._send(question)
                break
            except Unreachable as error:
                if pause is None or isinstance(error.__cause__, _NEVER_SENT):
                    raise
                time.sleep(pause)
        try:
            document = json.loads(response.data or b"{}")
        except ValueError as error:
            raise Unreachable(f"{self._where} answered something else than JSON when asked to {act}") from error
        return document if isinstance(document, dict) else {"items": document}

    def lines(
        self, path: str, act: str, query: Mapping[str, Any], *, silence_seconds: float = SILENCE_SECONDS
    ) -> Iterator[bytes]:
        """
        Yield the lines of an answer while they come.

        Raises:
            Unreachable: the connection broke, or said nothing for `silence_seconds`.
        """
        response = self._send(Question(method="GET", path=path, act=act, query=query), silence_seconds)
        rest = b""
        try:
            for piece in response.stream(1 << 16):
                *whole, rest = (rest + piece).split(b"\n")
                yield from whole
            if rest:
                yield rest
        except urllib3.exceptions.HTTPError as error:
            raise Unreachable(f"{self._where} broke off while asked to {act} ({_reason(error)})") from error
        finally:
            response.close()

    def _send(self, question: Question, silence_seconds: float | None = None) -> urllib3.BaseHTTPResponse:
        words = urlencode({key: _word(value) for key, value in question.query.items() if value not in (None, "")})
        address = self._prefix + question.path + (f"?{words}" if words else "")
        headers = {"Accept": "application/json, */*", **({"Content-Type": question.form} if question.form else {})}
        seconds = urllib3.Timeout(connect=CONNECT_SECONDS, read=silence_seconds or ANSWER_SECONDS)
        for renew in (False, True):
            try:
                response = self._pool.urlopen(
                    question.method, address, body=question.body,
                    headers={**headers, **self.access.headers(renew=renew)},
                    preload_content=silence_seconds is None, redirect=False, timeout=seconds,
                )  # fmt: skip
            except urllib3.exceptions.HTTPError as error:
                raise self._silence(error, question) from error
            if response.status != 401 or not self.access.plugin:
                break
        if response.status >= 300:
            refusal = self._refusal(response.status, _status(response.data), question.act)
            response.close()
            raise refusal
        return response

    @property
    def _away(self) -> str:
        if self.access.context:
            return "Run on this machine with `platform run`, or choose another environment with --env."
        return "See `platform doctor`; on this machine's own cluster, `platform cluster status`."

    @property
    def _where(self) -> str:
        return f"{self._name} at {self.access.server}"

    def _silence(self, error: urllib3.exceptions.HTTPError, question: Question) -> Unreachable:
        if isinstance(error, urllib3.exceptions.SSLError) and "certificate" in str(error).lower():
            return Unreachable(
                f"{self._where} is not the one that was expected ({_reason(error)})",
                fix="The cluster may have been made anew; get its kubeconfig again.",
            )
        if question.method != "GET" and not isinstance(error, _NEVER_SENT):
            return Unclear(f"{self._where} was asked to {question.act} and did not answer ({_reason(error)})")
        return Unreachable(
            f"cannot reach {self._where} ({_reason(error)})",
            fix=self._away,
        )

    def _refusal(self, status: int, said: dict[str, Any], act: str) -> PlatformError:
        message = " ".join(str(said.get("message", "")).split()).rstrip(".") or f"status {status}"
        if status == 401:
            return NotAllowed(f"{self._name} does not know who asks to {act}", fix="Log in again, then repeat.")
        if status == 404:
            return NotFound(f"{self._name} cannot {act}: {message}")
        if status == 409 and said.get("reason") == "AlreadyExists":
            return AlreadyExists(f"{self._name} cannot {act}: it exists already")
        if status in (409, 410) or said.get("reason") == "Expired":
            return Gone(f"{self._name} cannot {act}: {message}")
        if status == 403:
            return NotAllowed(f"you may not {act} in {self._name}: {message}")
        if status == 429 or status >= 500:
            return Unreachable(f"{self._where} cannot {act} now: {message}")
        # 400 and 422: the API's own check of a document, or an admission policy; its words are the reason.
        return NotAllowed(f"{self._name} refuses to {act}: {message}")


def segment(text: str) -> str:
    """One segment of a path."""
    return quote(text, safe="")


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _status(body: bytes) -> dict[str, Any]:
    """Kubernetes' Status, or gRPC's error of Argo's server; anything else by its beginning."""
    try:
        said = json.loads(body)
        return said if isinstance(said, dict) else {}
    except ValueError:
        return {"message": body[:300].decode(errors="replace")}


def _reason(error: BaseException) -> str:
    """The innermost cause, in the system's words."""
    if isinstance(error, urllib3.exceptions.ProtocolError) and "chunk" in str(error):
        # An answer without its end; the innermost words are those of a parser.
        return "connection closed"
    cause: BaseException = error
    while isinstance(inner := cause.__cause__ or cause.__context__ or _argument(cause), BaseException):
        cause = inner
    words = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return " ".join(str(words).split()).lower()[:200]


def _argument(error: BaseException) -> object:
    return next((each for each in reversed(error.args) if isinstance(each, BaseException)), None)
