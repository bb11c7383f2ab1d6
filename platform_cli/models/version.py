"""
One version of a registered model, and the words in which the registry keeps it.

In: what MLflow answers. Out: a Version. Everything of ours that MLflow holds is a tag whose name begins with
`platform.`, so that a person who looks at MLflow's pages finds it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CHAMPION = "champion"
CHALLENGER = "challenger-"

TAG = "platform."
DIGEST, CONTRACT, DATA, CODE, FOLDER = (f"{TAG}{name}" for name in ("digest", "contract", "data", "code", "folder"))
VERDICT, REASONS, PREVIOUS = f"{TAG}gate.verdict", f"{TAG}gate.reasons", f"{TAG}previous-champion"
PASSED, REFUSED = "passed", "refused"
ROLLED_BACK, REASON, OVERRIDE = f"{TAG}rolled-back", f"{TAG}reason", f"{TAG}override"
RUN_KEY = f"{TAG}key"


@dataclass(frozen=True, kw_only=True)
class Version:
    """
    One registered model.

    Attributes:
        model: its name in the registry, with the channel of an ad hoc model.
        digest: of its four files, see `form`.
        training_run: MLflow's id of the run that trained it.
        data: hash of the training data.
        aliases: its roles, such as champion.
        tags: everything that was noted about it.
    """

    model: str
    number: int
    digest: str
    training_run: str
    data: str
    code: str
    contract: str
    created: datetime.datetime
    aliases: tuple[str, ...]
    tags: Mapping[str, str]

    @property
    def verdict(self) -> str:
        """`passed`, `refused`, or empty where the gate has not judged it."""
        return self.tags.get(VERDICT, "")


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a training run logged to MLflow."""

    params: Mapping[str, str]
    metrics: Mapping[str, float]


def is_role(alias: str) -> bool:
    """Whether an alias is one of those that the platform gives."""
    return alias == CHAMPION or alias.startswith(CHALLENGER)


def parse_version(found: Any, aliases: Mapping[str, int]) -> Version:
    """Read MLflow's ModelVersion; `aliases` are the model's, by number, since a search does not tell them."""
    number = int(found.version)
    tags = dict(found.tags)
    return Version(
        model=str(found.name),
        number=number,
        digest=tags.get(DIGEST, ""),
        training_run=str(found.run_id or ""),
        data=tags.get(DATA, ""),
        code=tags.get(CODE, ""),
        contract=tags.get(CONTRACT, ""),
        created=datetime.datetime.fromtimestamp(found.creation_timestamp / 1000, tz=datetime.UTC),
        aliases=tuple(sorted(alias for alias, holder in aliases.items() if holder == number)),
        tags=tags,
    )
