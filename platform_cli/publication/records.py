"""
What is written down about a published day, and its one form as bytes.

In: the facts of a run. Out: frozen values; a manifest as JSON and back.

A manifest says which rows are a day's scores (parts with their hashes), from which input, by which model, and which
manifest it corrects. `digest` says what the scores are, and does not change with sharding, names or time.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from platform_cli.errors import Damaged, UsageError
from platform_cli.names import Channel

FORM = 1
CHAMPION = "champion"


@dataclass(frozen=True, kw_only=True)
class Day:
    """One day of one flow in one channel; every key of its publication begins here."""

    channel: Channel
    flow: str
    day: datetime.date

    @property
    def prefix(self) -> str:
        """The folder of keys that belongs to the day."""
        return f"{self.channel}/{self.flow}/{self.day.isoformat()}"

    def key(self, name: str) -> str:
        """The key of something of the day, such as a part's name."""
        return f"{self.prefix}/{name}"

    def manifest_key(self, number: int) -> str:
        """The key whose creation is the commit."""
        return self.key(f"manifests/{number:06d}.json")

    def __str__(self) -> str:
        return self.prefix


@dataclass(frozen=True, kw_only=True)
class Part:
    """One Parquet file of scores; `name` is its key below the day, `blocks` are its rows' digests."""

    name: str
    rows: int
    sha256: str
    bytes: int
    first_id: int | str
    last_id: int | str
    blocks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class InputRecord:
    """The snapshot that was scored: hash and key of its file, digests of its ids in order."""

    sha256: str
    rows: int
    key: str
    id_blocks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """A registered model as it was resolved at the start of the run. The role `champion` made the scores."""

    role: str
    name: str
    version: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class ScoreBounds:
    """What the scores of a day may look like: their mean and their standard deviation, both inclusive."""

    min_mean: float = 0.0
    max_mean: float = 1.0
    min_deviation: float = 0.0
    max_deviation: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Draft:
    """
    What a run wants to publish; nothing of it is believed before the gates have read the parts again.

    Attributes:
        parts: in the order of ids; all but the last have a multiple of 65,536 rows.
        models: exactly one champion; challengers are named for the record only.
        run: address of the run, as the rows carry it.
        code: identity of the code that scored.
        bands: all risk bands in their order.
        reason: why a published day is corrected; empty otherwise.
        summary: what else is worth keeping, such as quantiles; JSON values.
    """

    input: InputRecord
    models: tuple[ModelRecord, ...]
    parts: tuple[Part, ...]
    run: str
    code: str
    id_column: str
    bands: tuple[str, ...]
    bounds: ScoreBounds = field(default_factory=ScoreBounds)
    reason: str = ""
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def champion(self) -> ModelRecord:
        """The model that made the scores."""
        champions = [model for model in self.models if model.role == CHAMPION]
        if len(champions) != 1:
            raise UsageError(f"the draft of run {self.run} names {len(champions)} champions", wanted="exactly one")
        return champions[0]

    def is_same_work(self, other: Draft) -> bool:
        """Say whether both come from the same input by the same model version."""
        return (self.input.sha256, self.champion) == (other.input.sha256, other.champion)

    def __str__(self) -> str:
        model = self.champion
        return f"input {self.input.sha256[:12]}, model {model.name} version {model.version}, run {self.run}"


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What the gates found in the parts as they lie in the store."""

    rows: int
    mean: float
    deviation: float
    bands: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """
    A published day.

    Attributes:
        number: place in the day's chain; 1 is the first publication, the highest one holds.
        previous: sha256 of manifest `number - 1`; empty for the first.
        nonce: tells two writers of the same manifest apart.
        published_at: RFC 3339, UTC.
        digest: content digest of the day's scores.
    """

    day: Day
    number: int
    previous: str
    nonce: str
    published_at: str
    draft: Draft
    totals: Totals
    digest: str

    def to_bytes(self) -> bytes:
        """Return the file of the manifest: the same bytes for the same manifest, always."""
        document = {
            "form": FORM,
            "channel": self.day.channel.name,
            "flow": self.day.flow,
            "day": self.day.day.isoformat(),
            "number": self.number,
            "previous": self.previous,
            "nonce": self.nonce,
            "published_at": self.published_at,
            "digest": self.digest,
            "totals": asdict(self.totals),
            **asdict(self.draft),
        }
        return (json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()

    @property
    def sha256(self) -> str:
        """Hash of the manifest's file, by which a correction names what it corrects."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def parse_manifest(body: bytes, where: str) -> Manifest:
    """
    Read a manifest back.

    Args:
        where: the key, for messages.
    Raises:
        Damaged: the bytes are no manifest of a form that is known here.
    """
    try:
        document = json.loads(body)
        if document.pop("form") != FORM:
            raise Damaged(
                f"{where} has another form", wanted=f"form {FORM}", fix="Update the platform, then read again."
            )
        manifest = _manifest(document)
    except (ValueError, KeyError, TypeError, AttributeError, UsageError) as error:
        raise Damaged(f"{where} is not a manifest ({error})", fix="Compare it with a backup of the store.") from error
    if manifest.to_bytes() != body:
        raise Damaged(f"{where} is not written as a manifest is", fix="Compare it with a backup of the store.")
    return manifest


def _manifest(document: dict[str, Any]) -> Manifest:
    day = Day(
        channel=Channel(document.pop("channel")),
        flow=document.pop("flow"),
        day=datetime.date.fromisoformat(document.pop("day")),
    )
    own = {name: document.pop(name) for name in ("number", "previous", "nonce", "published_at", "digest")}
    totals = Totals(**document.pop("totals"))
    draft = Draft(
        input=_record(InputRecord, document.pop("input"), "id_blocks"),
        models=tuple(ModelRecord(**model) for model in document.pop("models")),
        parts=tuple(_record(Part, part, "blocks") for part in document.pop("parts")),
        bands=tuple(document.pop("bands")),
        bounds=ScoreBounds(**document.pop("bounds")),
        **document,
    )
    return Manifest(day=day, draft=draft, totals=totals, **own)


def _record(cls: type[Any], values: dict[str, Any], listed: str) -> Any:
    return cls(**{**values, listed: tuple(values[listed])})


def content_digest(day: Day, draft: Draft, blocks: Iterable[str]) -> str:
    """
    Say what the scores of a day are, in one hash.

    Covers day, flow, input, the champion's version and all rows in the order of ids; never part names, the nonce, the
    run or how the rows were cut into files.
    """
    champion = draft.champion
    header = {
        "day": day.day.isoformat(),
        "flow": day.flow,
        "input": draft.input.sha256,
        "model": [champion.name, champion.version, champion.digest],
        "bands": list(draft.bands),
    }
    digest = hashlib.sha256(json.dumps(header, sort_keys=True, separators=(",", ":")).encode())
    for block in blocks:
        digest.update(bytes.fromhex(block))
    return digest.hexdigest()
