"""
Exactly-once publication of a day's scores, over any `store`.

In: parts of scores, and what they were made from. Out: manifests, and readers that go through them only.

The order of things: `add_input` -> `add_part` for each shard -> `publish` (or `correct`); then `read_day`,
`list_days`. Refuses to know how scores are made.
"""

from platform_cli.publication.chain import list_days, read_chain, read_day, read_day_before
from platform_cli.publication.commit import Outcome, Status, correct, find_published, publish
from platform_cli.publication.digest import BLOCK_ROWS, IdDigest, RowDigest
from platform_cli.publication.gates import examine, read_part
from platform_cli.publication.parts import add_input, add_part, fetched_sha256, file_sha256, part_name
from platform_cli.publication.records import (
    Day,
    Draft,
    InputRecord,
    Manifest,
    ModelRecord,
    Part,
    ScoreBounds,
    Totals,
    content_digest,
)

__all__ = [
    "BLOCK_ROWS",
    "Day",
    "Draft",
    "IdDigest",
    "InputRecord",
    "Manifest",
    "ModelRecord",
    "Outcome",
    "Part",
    "RowDigest",
    "ScoreBounds",
    "Status",
    "Totals",
    "add_input",
    "add_part",
    "content_digest",
    "correct",
    "examine",
    "fetched_sha256",
    "file_sha256",
    "find_published",
    "list_days",
    "part_name",
    "publish",
    "read_chain",
    "read_day",
    "read_day_before",
    "read_part",
]
