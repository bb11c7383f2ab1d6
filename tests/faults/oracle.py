"""
Judge what lies in a store after faults, with no code of the product.

Reads objects by os or boto3, Parquet by pyarrow, models by xgboost, and knows the formats from their description
alone. Every finding is an AssertionError that names the key.
"""

import hashlib
import io
import json
import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xgboost

Rescore = Callable[[pa.Table, dict[str, Any]], np.ndarray]
EDGES = {"low": (0.0, 0.3), "medium": (0.3, 0.6), "high": (0.6, 1.1)}
_ROW = struct.Struct("<qfB")


class Folder:
    """Objects of a folder store."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def keys(self) -> list[str]:
        files = (path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file())
        return sorted(name for name in files if not name.startswith("."))

    def read(self, key: str) -> bytes:
        return (self.root / key).read_bytes()


class Bucket:
    """Objects of an S3 store."""

    def __init__(self, client: Any, bucket: str) -> None:
        self.client, self.bucket = client, bucket

    def keys(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return sorted(item["Key"] for page in pages for item in page.get("Contents", ()))

    def read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()


@dataclass(frozen=True)
class Verdict:
    """What was counted where nothing was wrong."""

    days: int
    manifests: int
    rows: int
    objects: int
    whole_objects: int


@dataclass(frozen=True)
class Oracle:
    """A store, the folder of its keys that holds days (`channel/flow`), and how to score again."""

    store: Folder | Bucket
    prefix: str
    rescore: Rescore

    def manifests_of(self, day: str) -> int:
        """Count a day's manifests."""
        return sum(key.startswith(f"{self.prefix}/{day}/manifests/") for key in self.store.keys())  # noqa: SIM118 # no dict

    def judge(self, expected_days: Iterable[str]) -> Verdict:
        """Check that exactly these days are published, each once, whole, and with the right scores."""
        keys = self.store.keys()
        whole = self._whole_objects(keys)
        published = sorted({m[1] for key in keys if (m := re.match(rf"{self.prefix}/([0-9-]+)/manifests/", key))})
        assert published == sorted(expected_days), "the published days are not those of the runs that committed"
        rows = sum(self._judge_day(day, keys) for day in published)
        manifests = sum("/manifests/" in key for key in keys)
        assert manifests == len(published), f"{manifests} manifests for {len(published)} days"
        return Verdict(days=len(published), manifests=manifests, rows=rows, objects=len(keys), whole_objects=whole)

    def _whole_objects(self, keys: list[str]) -> int:
        """Count what can be read to its end: whoever died left its objects whole, or not at all."""
        for key in keys:
            body = self.store.read(key)
            if key.endswith(".parquet"):
                assert body[:4] == body[-4:] == b"PAR1", f"{key} is half a file"
                pq.read_table(io.BytesIO(body))
            elif key.endswith(".json"):
                assert isinstance(json.loads(body), dict), f"{key} is half a manifest"
        return len(keys)

    def _judge_day(self, day: str, keys: list[str]) -> int:
        folder = f"{self.prefix}/{day}/manifests/"
        chain = [key for key in keys if key.startswith(folder)]
        assert chain == [f"{folder}{n:06d}.json" for n in range(1, len(chain) + 1)], f"{chain} is no chain"
        before = ""
        for key in chain:
            body = self.store.read(key)
            manifest = json.loads(body)
            assert manifest["previous"] == before, f"{key} does not follow the one before it"
            assert f"{manifest['channel']}/{manifest['flow']}/{manifest['day']}" == f"{self.prefix}/{day}", key
            before = hashlib.sha256(body).hexdigest()
        self._judge_rows(chain[-1], manifest)
        return int(manifest["totals"]["rows"])

    def _judge_rows(self, key: str, manifest: dict[str, Any]) -> None:
        snapshot = self._snapshot(manifest)
        scores = pa.concat_tables([self._part(manifest, part) for part in manifest["parts"]])
        totals = manifest["totals"]
        assert len(scores) == len(snapshot) == totals["rows"], f"{key}: rows do not add up"
        ids = scores[manifest["id_column"]].to_pylist()
        assert ids == snapshot[manifest["id_column"]].to_pylist(), f"{key}: ids are not the input's"
        assert len(set(ids)) == len(ids), f"{key}: a customer twice"
        found = scores["probability"].to_numpy()
        assert np.array_equal(found, self.rescore(snapshot, manifest)), f"{key}: scores are not the model's"
        assert abs(float(np.sum(found, dtype="f8")) / len(found) - totals["mean"]) < 1e-9, f"{key}: sums do not add up"
        bands = scores["risk_band"].cast(pa.string()).to_pylist()
        for name, (low, high) in EDGES.items():
            expected = int(np.count_nonzero((found >= np.float32(low)) & (found < np.float32(high))))
            assert bands.count(name) == totals["bands"][name] == expected, f"{key}: band {name} does not add up"
        assert manifest["digest"] == _digest(manifest, ids, found, bands), f"{key}: the digest is of other rows"
        assert set(scores["run"].cast(pa.string()).to_pylist()) == {manifest["run"]}, f"{key}: rows of another run"

    def _snapshot(self, manifest: dict[str, Any]) -> pa.Table:
        record = manifest["input"]
        body = self.store.read(record["key"])
        assert hashlib.sha256(body).hexdigest() == record["sha256"], f"{record['key']} is not what was scored"
        return pq.read_table(io.BytesIO(body))

    def _part(self, manifest: dict[str, Any], part: dict[str, Any]) -> pa.Table:
        key = f"{self.prefix}/{manifest['day']}/{part['name']}"
        body = self.store.read(key)
        assert (hashlib.sha256(body).hexdigest(), len(body)) == (part["sha256"], part["bytes"]), f"{key} was changed"
        table = pq.read_table(io.BytesIO(body))
        assert len(table) == part["rows"], f"{key}: rows"
        return table


def _digest(manifest: dict[str, Any], ids: list[int], probability: np.ndarray, bands: list[str]) -> str:
    champion = next(model for model in manifest["models"] if model["role"] == "champion")
    header = {
        "bands": manifest["bands"],
        "day": manifest["day"],
        "flow": manifest["flow"],
        "input": manifest["input"]["sha256"],
        "model": [champion["name"], champion["version"], champion["digest"]],
    }
    total = hashlib.sha256(json.dumps(header, separators=(",", ":"), sort_keys=True).encode())
    position = {name: number for number, name in enumerate(manifest["bands"])}
    rows = [_ROW.pack(*row) for row in zip(ids, probability.tolist(), map(position.get, bands), strict=True)]
    for start in range(0, len(rows), 65_536):
        total.update(hashlib.sha256(b"".join(rows[start : start + 65_536])).digest())
    return total.hexdigest()


def rescore_with_form(folder: Path) -> Rescore:
    """
    Score with the files of a registered model: model.ubj by xgboost, encoder.json by hand.

    The model must be the recorded one: its digest covers the hashes of its files.
    """
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    digest = hashlib.sha256(json.dumps(hashes, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    encoder = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
    booster = xgboost.Booster({"nthread": 1}, model_file=str(folder / "model.ubj"))

    def rescore(snapshot: pa.Table, manifest: dict[str, Any]) -> np.ndarray:
        champion = next(model for model in manifest["models"] if model["role"] == "champion")
        assert champion["digest"] == digest, "the scores are of a model that is not registered"
        lanes = [_lane(lane, snapshot) for lane in encoder["outputs"]]
        names = [lane["name"] for lane in encoder["outputs"]]
        return booster.predict(xgboost.DMatrix(np.stack(lanes, axis=1), feature_names=names))

    return rescore


def _lane(lane: dict[str, Any], snapshot: pa.Table) -> np.ndarray:
    column = snapshot[lane["source"]].to_numpy().astype("f8")
    for step in lane["steps"]:
        match step["op"]:
            case "fill":
                column = np.where(np.isnan(column), step["value"], column)
            case "subtract":
                column = column - step["value"]
            case "divide":
                column = column / step["value"]
            case other:
                raise NotImplementedError(f"the oracle does not know the step {other}")
    return column.astype("f4")
