"""
Read the data contract of a model: one TOML file beside its flow.

In: the path of contract.toml.
Out: a frozen Contract, or an error that names the file, the line and the column.

The rule that protected columns never reach a model is kept here, before anything could be trained: by role, through
derived features, and by name, so that a changed role alone does not let one in. What the rows hold is judged in
`checks`; nothing here knows Arrow, numpy or a file of customers.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn

from platform_cli.errors import UsageError, did_you_mean

# Attributes that a credit decision must not rest on (the prohibited bases of 12 CFR 1002.2(z), and what stands in for
# them in the riskiness data): a column of such a name is protected whatever its role says.
ALWAYS_PROTECTED = frozenset(
    ("age", "gender", "sex", "education", "marriage", "marital_status", "race", "ethnicity", "religion", "nationality")
)


class ColumnType(StrEnum):
    INT64 = "int64"
    FLOAT64 = "float64"
    STRING = "string"


class Role(StrEnum):
    ID = "id"
    FEATURE = "feature"
    PROTECTED = "protected"
    LABEL = "label"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a file of customers. Bounds are inclusive; `max_null_rate` is a share of the file's rows."""

    name: str
    type: ColumnType
    role: Role
    unit: str = "1"
    min: float | None = None
    max: float | None = None
    max_null_rate: float = 0.0
    categories: tuple[int | str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Derived:
    """A feature that is one column over another."""

    name: str
    numerator: str
    denominator: str

    @property
    def formula(self) -> str:
        return f"{self.numerator} / {self.denominator}"


@dataclass(frozen=True, kw_only=True)
class Band:
    """A risk band: probabilities below `below` and not below the band before it. The last one ends at 1, inclusive."""

    name: str
    below: float


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a whole day must look like; see contract.toml."""

    rows_ratio: float
    score_mean: tuple[float, float]
    score_psi: float


@dataclass(frozen=True, kw_only=True)
class Contract:
    """
    What one file of customers must hold.

    Attributes:
        source: the file it was read from, for messages.
        columns: in the order that files have them.
    """

    name: str
    source: str
    columns: tuple[Column, ...]
    derived: tuple[Derived, ...]
    bands: tuple[Band, ...]
    limits: Limits

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def with_role(self, role: Role) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.role is role)

    @property
    def id(self) -> Column:
        return self.with_role(Role.ID)[0]

    @property
    def label(self) -> Column | None:
        return next(iter(self.with_role(Role.LABEL)), None)

    @property
    def inputs(self) -> tuple[Column, ...]:
        """Every column but the label: what a file to be scored holds, and what a snapshot keeps."""
        return tuple(column for column in self.columns if column.role is not Role.LABEL)

    @property
    def features(self) -> tuple[str, ...]:
        """What the model sees, in its order: feature columns as in the file, then derived ones."""
        return (*(column.name for column in self.with_role(Role.FEATURE)), *(derived.name for derived in self.derived))

    @property
    def protected(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.with_role(Role.PROTECTED))

    @property
    def fingerprint(self) -> str:
        """sha256 over what a trained model rests on: its features' names, types, categories, order and formulas."""
        columns = [[c.name, c.type.value, list(c.categories)] for c in self.with_role(Role.FEATURE)]
        derived = [[d.name, d.formula] for d in self.derived]
        text = json.dumps({"features": columns, "derived": derived}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def load_contract(path: Path | str) -> Contract:
    """
    Read a contract.

    Raises:
        UsageError: the file is missing, no TOML, or contradicts itself; names the file, the line and the column.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"cannot read the contract {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error
    return _Reader(str(path), text).contract(document)


_KEYS = ("name", "columns", "derived", "bands", "limits")
_COLUMN_KEYS = ("name", "type", "role", "unit", "min", "max", "max_null_rate", "categories")
_NUMBER = (int, float)


class _Reader:
    """Turns one TOML document into a Contract; keeps the text to say on which line something is."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.lines = text.splitlines()

    def contract(self, document: dict[str, Any]) -> Contract:
        self._only(document, _KEYS, "", required=("name", "columns", "bands", "limits"))
        columns = tuple(self._column(row) for row in self._rows(document, "columns"))
        self._unique([column.name for column in columns], "column")
        for role, least, most in ((Role.ID, 1, 1), (Role.LABEL, 0, 1), (Role.FEATURE, 1, len(columns))):
            found = [column.name for column in columns if column.role is role]
            if not least <= len(found) <= most:
                wanted = "exactly one" if least == most else f"at {'most' if found else 'least'} one"
                self._refuse("columns", f'{len(found)} columns have the role "{role}"', wanted)
        derived = tuple(self._derived(row, columns) for row in self._rows(document, "derived"))
        self._unique([*(column.name for column in columns), *(d.name for d in derived)], "feature")
        bands = tuple(self._band(row) for row in self._rows(document, "bands"))
        self._unique([band.name for band in bands], "band")
        edges = [band.below for band in bands]
        if not edges or edges != sorted(set(edges)) or edges[0] <= 0 or edges[-1] != 1:
            self._refuse("bands", f"the upper edges are {edges}", "rising numbers above 0, the last one 1")
        return Contract(
            name=self._typed(document, "name", (str,), "name"),
            source=self.path,
            columns=columns,
            derived=derived,
            bands=bands,
            limits=self._limits(document["limits"]),
        )

    def _column(self, row: dict[str, Any]) -> Column:
        name = self._name(row, "columns")
        self._only(row, _COLUMN_KEYS, name, required=("type", "role"))
        categories = row.get("categories", [])
        column = Column(
            name=name,
            type=self._choice(ColumnType, row, "type", name),
            role=self._choice(Role, row, "role", name),
            unit=self._typed(row, "unit", (str,), name, "1"),
            min=self._typed(row, "min", _NUMBER, name, None),
            max=self._typed(row, "max", _NUMBER, name, None),
            max_null_rate=self._typed(row, "max_null_rate", _NUMBER, name, 0.0),
            categories=tuple(categories) if isinstance(categories, list) else (),
        )
        if column.role is not Role.PROTECTED and name in ALWAYS_PROTECTED:
            self._refuse(name, f'its role is "{column.role}"', 'the role "protected"; no model may see it')
        if column.min is not None and column.max is not None and column.min > column.max:
            self._refuse(name, f"min is {column.min}, max is {column.max}", "min <= max")
        if column.type is ColumnType.STRING and (column.min is not None or column.max is not None):
            self._refuse(name, "a string has bounds", "bounds on numbers alone")
        if not 0 <= column.max_null_rate <= 1 or (column.role is Role.ID and column.max_null_rate):
            self._refuse(name, f"max_null_rate is {column.max_null_rate}", "0 to 1, and 0 for the id")
        self._check_categories(column, categories)
        return column

    def _check_categories(self, column: Column, given: object) -> None:
        kind = str if column.type is ColumnType.STRING else int
        right = isinstance(given, list) and all(type(value) is kind for value in given)
        if not right or len(set(column.categories)) != len(column.categories):
            self._refuse(column.name, f"categories are {given!r}", f"a list of different values of type {column.type}")
        if column.categories and column.type is ColumnType.FLOAT64:
            self._refuse(column.name, "a float64 has categories", "int64 or string")
        if column.role is Role.ID and column.type is ColumnType.FLOAT64:
            self._refuse(column.name, "the id is a float64", "int64 or string")
        if column.role is Role.FEATURE and column.type is ColumnType.STRING and not column.categories:
            self._refuse(column.name, "a string feature without categories", "the list of values that may occur")

    def _derived(self, row: dict[str, Any], columns: tuple[Column, ...]) -> Derived:
        name = self._name(row, "derived")
        self._only(row, ("name", "formula"), name, required=("formula",))
        formula = self._typed(row, "formula", (str,), name)
        parts = re.fullmatch(r"\s*(\w+)\s*/\s*(\w+)\s*", formula)
        if parts is None:
            self._refuse(name, f'the formula is "{formula}"', '"<column> / <column>"')
        known = {column.name: column for column in columns}
        for part in parts.groups():
            if part not in known:
                self._refuse(name, f'the formula names "{part}"', "a column", did_you_mean(part, list(known)))
            if known[part].role is Role.PROTECTED:
                self._refuse(name, f'it is derived from "{part}", which is protected', "a formula without it")
            if known[part].role is not Role.FEATURE or known[part].type is ColumnType.STRING:
                self._refuse(name, f'the formula names "{part}"', "numbers with the role feature")
        if name in ALWAYS_PROTECTED:
            self._refuse(name, "a derived feature has a protected name", "another name, and nothing protected in it")
        low, high = known[parts[2]].min, known[parts[2]].max
        if not ((low is not None and low > 0) or (high is not None and high < 0)):
            self._refuse(name, f'"{parts[2]}" may be 0', "a denominator whose bounds leave 0 out")
        return Derived(name=name, numerator=parts[1], denominator=parts[2])

    def _band(self, row: dict[str, Any]) -> Band:
        name = self._name(row, "bands")
        self._only(row, ("name", "below"), name, required=("below",))
        return Band(name=name, below=float(self._typed(row, "below", _NUMBER, name)))

    def _limits(self, row: object) -> Limits:
        if not isinstance(row, dict):
            self._refuse("limits", "it is not a table", "[limits]")
        keys = ("rows_ratio", "score_mean", "score_psi")
        self._only(row, keys, "limits", required=keys)
        mean = row["score_mean"]
        if not (isinstance(mean, list) and len(mean) == 2 and all(type(edge) in _NUMBER for edge in mean)):
            self._refuse("limits.score_mean", f"it is {mean!r}", "two numbers")
        limits = Limits(
            rows_ratio=self._typed(row, "rows_ratio", _NUMBER, "limits"),
            score_mean=(float(mean[0]), float(mean[1])),
            score_psi=self._typed(row, "score_psi", _NUMBER, "limits"),
        )
        if not 0 <= mean[0] < mean[1] <= 1:
            self._refuse("limits.score_mean", f"it is {mean}", "0 <= low < high <= 1")
        if limits.rows_ratio < 1 or limits.score_psi <= 0:
            self._refuse("limits", f"rows_ratio is {limits.rows_ratio}, score_psi {limits.score_psi}", ">= 1, and > 0")
        return limits

    def _rows(self, document: dict[str, Any], key: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = document.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            self._refuse(key, "it is not a list of tables", f"{key} = [ {{ name = ... }}, ... ]")
        return rows

    def _name(self, row: dict[str, Any], table: str) -> str:
        name = row.get("name")
        if not isinstance(name, str) or not name:
            self._refuse(table, f"an entry without a name: {row!r}", "a name in every entry")
        return name

    def _only(self, row: dict[str, Any], known: tuple[str, ...], where: str, *, required: tuple[str, ...]) -> None:
        for key in row:
            if key not in known:
                self._refuse(where or key, f'unknown key "{key}"', "", did_you_mean(key, list(known)))
        for key in required:
            if key not in row:
                self._refuse(where or key, f'"{key}" is missing', "")

    def _typed(self, row: dict[str, Any], key: str, kinds: tuple[type, ...], where: str, default: Any = None) -> Any:
        value = row.get(key, default)
        if value is default and key not in row:
            return value
        if type(value) not in kinds or (isinstance(value, float) and not math.isfinite(value)):
            self._refuse(where, f"{key} is {value!r}", "a number" if float in kinds else "a string")
        return value

    def _choice(self, choices: type[Any], row: dict[str, Any], key: str, where: str) -> Any:
        if row[key] not in [choice.value for choice in choices]:
            self._refuse(where, f"{key} is {row[key]!r}", " or ".join(choice.value for choice in choices))
        return choices(row[key])

    def _unique(self, names: list[str], kind: str) -> None:
        for name in names:
            if names.count(name) > 1:
                self._refuse(name, f"two entries have this name ({kind})", "different names")

    def _refuse(self, where: str, got: str, wanted: str, fix: str = "") -> NoReturn:
        """Raise; the line is the last one that names `where`, since of two entries the later is the surprise."""
        wanted_line = re.compile(rf'\bname\s*=\s*"{re.escape(where)}"|^\s*\[?{re.escape(where.rpartition(".")[2])}\b')
        numbers = [number for number, line in enumerate(self.lines, start=1) if wanted_line.search(line)]
        place = f"{self.path}:{numbers[-1]}" if numbers else self.path
        raise UsageError(f"{place}: {where}: {got}" if where else f"{place}: {got}", wanted=wanted, fix=fix)
