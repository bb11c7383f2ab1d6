"""
The registered form of a model: four hashed files in a folder, and nothing that runs.

In: a folder and the digest that the registry recorded for it.
Out: a Form that encodes columns and predicts probabilities, or ModelRefused with the file, what it is and what was
wanted.

    model.ubj        the booster, in xgboost's own format
    encoder.json     how columns become the booster's features, see `encoder`
    signature.json   name, features, contract, training run, data hash, code identity, sha256 of the other files
    reference.json   distributions at training time, for drift; whoever trains defines what is in it

Every file is read once, hashed, and compared before anything is parsed. mlflow's own flavours run code that they
find in a model's folder, so they are never used.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from platform_cli.errors import ModelRefused
from platform_cli.models.encoder import Columns, Encoder, parse_encoder

if TYPE_CHECKING:
    from platform_cli.models.encoder import Matrix

MODEL, ENCODER, SIGNATURE, REFERENCE = "model.ubj", "encoder.json", "signature.json", "reference.json"
FILES = (ENCODER, MODEL, REFERENCE, SIGNATURE)
FORM_VERSION = 1
# None is the documented way to make an import fail. Of scipy.sparse, xgboost's core wants one name; scipy imports the
# real one when somebody uses it.
_SPARSE = SimpleNamespace(csr_matrix=type(None))
_HIDDEN = {"pandas": None, "sklearn": None, "xgboost.plotting": None, "scipy.sparse": _SPARSE}


@dataclass(frozen=True, kw_only=True)
class Signature:
    """
    What a model says about itself.

    Attributes:
        model: its name, without channel.
        features: input columns in order.
        contract: fingerprint of the data contract it was trained on.
        training_run: MLflow's id of the run that trained it.
        data: hash of the training data.
        code: identity of the training code.
    """

    model: str
    features: tuple[str, ...]
    contract: str
    training_run: str
    data: str
    code: str
    output: str = "probability"


@dataclass(frozen=True, kw_only=True)
class Form:
    """A model that is exactly what was registered. Safe to share between threads."""

    digest: str
    signature: Signature
    encoder: Encoder
    reference: Mapping[str, Any]
    booster: Any
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    _by_threads: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def features(self) -> tuple[str, ...]:
        return self.signature.features

    @property
    def contract(self) -> str:
        return self.signature.contract

    def encode(self, columns: Columns) -> Matrix:
        """Encode a batch: rows x the booster's features, float32, C order."""
        return self.encoder.encode(columns)

    def predict(self, columns: Columns, *, threads: int = 1) -> Matrix:
        """Give every row a probability, float32, in the order of the columns."""
        return self.predict_matrix(self.encode(columns), threads=threads)

    def predict_matrix(self, matrix: Matrix, *, threads: int = 1) -> Matrix:
        """Predict from what `encode` returned; xgboost reads the matrix in place."""
        booster = self._by_threads.get(threads) or self._prepare(threads)
        return booster.inplace_predict(matrix, validate_features=False)  # type: ignore[no-any-return]

    def _prepare(self, threads: int) -> Any:
        # Setting a parameter while another thread predicts makes that prediction fail: each number of threads has a
        # booster of its own, configured by a first prediction before anybody else sees it.
        with self._lock:
            if threads not in self._by_threads:
                import numpy as np

                booster = self.booster.copy()
                booster.set_param({"nthread": threads})
                booster.inplace_predict(np.zeros((1, len(self.encoder.lanes)), dtype=np.float32))
                self._by_threads[threads] = booster
            return self._by_threads[threads]

    def contributions(self, columns: Columns) -> Matrix:
        """
        Say what each feature adds to the log-odds of every row.

        Returns:
            rows x (features + 1): `features` in order, then the bias; the lanes of one feature are added up.
        """
        import numpy as np

        matrix = self.encode(columns)
        names = [lane.name for lane in self.encoder.lanes]
        # `predict` on a DMatrix keeps a cache and is not safe between threads; a copy is.
        booster = self.booster.copy()
        lanes = booster.predict(import_xgboost().DMatrix(matrix, feature_names=names), pred_contribs=True)
        total = np.zeros((len(matrix), len(self.features) + 1), dtype=np.float32)
        for position, lane in enumerate(self.encoder.lanes):
            total[:, self.features.index(lane.source)] += lanes[:, position]
        total[:, -1] = lanes[:, -1]
        return total


def write_form(
    folder: Path, *, booster: bytes, encoder: Encoder, signature: Signature, reference: Mapping[str, Any]
) -> str:
    """
    Write a model's four files and return their digest.

    Args:
        folder: made where it does not exist; must hold nothing else.
        booster: what `Booster.save_raw("ubj")` returns, with the encoder's lanes as feature names.
        reference: anything JSON can hold without NaN.
    """
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        MODEL: booster,
        ENCODER: canonical_json(encoder.document()),
        REFERENCE: canonical_json(reference),
    }
    document = {
        "form": FORM_VERSION,
        **asdict(signature),
        "files": {name: hashlib.sha256(body).hexdigest() for name, body in contents.items()},
    }
    contents[SIGNATURE] = canonical_json(document)
    for name, body in contents.items():
        (folder / name).write_bytes(body)
    return digest_of({name: hashlib.sha256(body).hexdigest() for name, body in contents.items()})


def load_form(folder: Path, expected_digest: str) -> Form:
    """
    Load a model from a folder, if it is the registered one.

    Raises:
        ModelRefused: a file is absent, unknown, not a plain file, or differs by one bit; or the files contradict
            each other.
    """
    contents = read_files(folder, expected_digest)
    document = _json_object(folder / SIGNATURE, contents[SIGNATURE])
    hashes = {name: hashlib.sha256(body).hexdigest() for name, body in contents.items() if name != SIGNATURE}
    if document.get("form") != FORM_VERSION or document.get("files") != hashes:
        raise ModelRefused(
            f"{folder / SIGNATURE}: form {document.get('form')!r} with the hashes of other files",
            wanted=f"form {FORM_VERSION} and the sha256 of the files beside it",
        )
    signature = _parse_signature(folder / SIGNATURE, document)
    encoder = parse_encoder(_json_object(folder / ENCODER, contents[ENCODER]))
    booster = _parse_booster(folder / MODEL, contents[MODEL])
    _check_match(folder, signature, encoder, booster)
    return Form(
        digest=expected_digest,
        signature=signature,
        encoder=encoder,
        reference=_json_object(folder / REFERENCE, contents[REFERENCE]),
        booster=booster,
    )


def read_files(folder: Path, expected_digest: str) -> dict[str, bytes]:
    """Read the four files once and compare their hashes with the digest, before anybody parses one."""
    entries = {entry.name: entry for entry in folder.iterdir()} if folder.is_dir() else {}
    for name in sorted(set(entries) - set(FILES)):
        raise ModelRefused(f"{folder / name} is not a file of a model", wanted=f"only {', '.join(FILES)}")
    for name in FILES:
        if name not in entries:
            raise ModelRefused(f"{folder / name} is absent", wanted=f"the files {', '.join(FILES)}")
        if entries[name].is_symlink() or not entries[name].is_file():
            raise ModelRefused(f"{folder / name} is a link or a folder", wanted="a plain file")
    contents = {name: entries[name].read_bytes() for name in FILES}
    hashes = {name: hashlib.sha256(body).hexdigest() for name, body in contents.items()}
    if digest_of(hashes) != expected_digest:
        raise _difference(folder, contents[SIGNATURE], hashes, expected_digest)
    return contents


def digest_of(hashes: Mapping[str, str]) -> str:
    """Give the digest of a model from the sha256 of its files."""
    return hashlib.sha256(canonical_json(hashes)).hexdigest()


def canonical_json(value: object) -> bytes:
    """Write JSON that has one spelling: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _difference(folder: Path, signature: bytes, hashes: dict[str, str], expected: str) -> ModelRefused:
    # The signature is not parsed (it may be what was changed). The hashes it shows are believed for a file only when,
    # together with its own hash, they give the expected digest: then it is intact, and they are the registered ones.
    shown = {
        name.decode(): wanted.decode()
        for name, wanted in re.findall(rb'"(encoder\.json|model\.ubj|reference\.json)":"([0-9a-f]{64})"', signature)
    }
    fix = "Fetch the version again; if it differs there too, register the model again."
    if digest_of({**hashes, **shown}) == expected:
        name = next(name for name in FILES if hashes[name] != shown.get(name, hashes[name]))
        return ModelRefused(f"{folder / name} has sha256 {hashes[name]}", wanted=shown[name], fix=fix)
    return ModelRefused(
        f"{folder / SIGNATURE} has sha256 {hashes[SIGNATURE]}, and the folder digest {digest_of(hashes)}",
        wanted=f"digest {expected}",
        fix=fix,
    )


def _json_object(path: Path, body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise ModelRefused(f"{path} is not JSON ({error})", wanted="a JSON object") from error
    if not isinstance(document, dict):
        raise ModelRefused(f"{path} is a {type(document).__name__}", wanted="a JSON object")
    return document


def _parse_signature(path: Path, document: dict[str, Any]) -> Signature:
    values = {name: value for name, value in document.items() if name not in ("form", "files")}
    wanted = Signature.__dataclass_fields__
    if set(values) != set(wanted) or not isinstance(values["features"], list):
        raise ModelRefused(f"{path} has {', '.join(sorted(values))}", wanted=", ".join(sorted(wanted)))
    return Signature(**{**values, "features": tuple(values["features"])})


def _parse_booster(path: Path, body: bytes) -> Any:
    xgboost = import_xgboost()
    try:
        return xgboost.Booster(model_file=bytearray(body))
    except xgboost.core.XGBoostError as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelRefused(f"{path} is not a booster ({reason})", wanted="xgboost's own UBJSON") from error


def _check_match(folder: Path, signature: Signature, encoder: Encoder, booster: Any) -> None:
    if encoder.inputs != signature.features:
        raise ModelRefused(
            f"{folder / ENCODER} encodes {', '.join(encoder.inputs)}",
            wanted=f"the features of {SIGNATURE}: {', '.join(signature.features)}",
        )
    lanes = [lane.name for lane in encoder.lanes]
    names = list(booster.feature_names or [])
    if booster.num_features() != len(lanes) or names != lanes:
        pairs = [(got, wanted) for got, wanted in zip(lanes, names, strict=False) if got != wanted]
        first = f', the first other one "{pairs[0][0]}"' if pairs else ""
        raise ModelRefused(
            f"{folder / ENCODER} makes {len(lanes)} features{first}",
            wanted=f"the {booster.num_features()} of {MODEL}" + (f', there "{pairs[0][1]}"' if pairs else ""),
        )


def import_xgboost() -> ModuleType:
    """
    Import xgboost without pandas, scikit-learn and scipy, of which a prediction needs nothing (0.1 s instead of 1.3 s).

    Whoever asks later in the same process for its scikit-learn classes or its plots gets them: they are imported then.
    """
    if "xgboost" in sys.modules or any(name in sys.modules for name in _HIDDEN):
        import xgboost

        return xgboost  # type: ignore[no-any-return]
    sys.modules.update(_HIDDEN)  # type: ignore[arg-type]
    try:
        import xgboost.data
    finally:
        for name in _HIDDEN:
            del sys.modules[name]
    # It was made without what was hidden; whoever imports it later gets it anew, with that.
    del sys.modules["xgboost.compat"]
    xgboost.__getattr__ = _on_demand
    return xgboost  # type: ignore[no-any-return]


def _on_demand(name: str) -> object:
    if name not in sys.modules["xgboost"].__all__:
        raise AttributeError(f"module 'xgboost' has no attribute {name!r}")
    return getattr(importlib.import_module(f"xgboost.{'sklearn' if name.startswith('XGB') else 'plotting'}"), name)
