"""A model is loaded when it is, bit by bit, the registered one, and nothing of it is ever run."""

import hashlib
import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from platform_cli.errors import ContractBroken, ModelRefused
from platform_cli.models.encoder import parse_encoder
from platform_cli.models.form import FILES, load_form
from tests.unit.models.builders import FEATURES, a_booster, a_form, an_encoder, some_customers


def _refusal(folder: Path, digest: str) -> ModelRefused:
    with pytest.raises(ModelRefused) as refused:
        load_form(folder, digest)
    return refused.value


def test_a_form_predicts_what_the_booster_predicts(tmp_path: Path) -> None:
    form = load_form(tmp_path, a_form(tmp_path))
    columns = some_customers(rows=50, seed=1)
    matrix = np.column_stack([columns[name] for name in FEATURES]).astype(np.float32)
    scores = form.predict(columns)
    assert scores.dtype == np.float32
    assert scores.tobytes() == a_booster().inplace_predict(matrix).tobytes()
    assert (form.features, form.contract, form.reference) == (FEATURES, "contract-1", {"score": {"mean": 0.25}})


def test_threads_may_share_a_form(tmp_path: Path) -> None:
    form = load_form(tmp_path, a_form(tmp_path, trees=50))
    columns = some_customers(rows=2000)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda turn: form.predict(columns, threads=1 + turn % 2).tobytes(), range(40)))
    assert set(answers) == {form.predict(columns).tobytes()}


def test_contributions_of_features_and_bias_add_up_to_the_log_odds(tmp_path: Path) -> None:
    form = load_form(tmp_path, a_form(tmp_path))
    columns = some_customers(rows=50)
    parts = form.contributions(columns)
    assert parts.shape == (50, 4)
    assert np.allclose(1 / (1 + np.exp(-parts.sum(axis=1))), form.predict(columns), atol=1e-6)


@pytest.mark.parametrize("name", FILES)
def test_any_flipped_bit_of_any_file_is_refused(name: str, tmp_path: Path) -> None:
    digest = a_form(tmp_path)
    intact = (tmp_path / name).read_bytes()
    positions = {0, len(intact) - 1, *np.random.default_rng(3).integers(0, len(intact), 60).tolist()}
    for position in positions:
        for bit in (0, 3, 7):
            flipped = bytearray(intact)
            flipped[position] ^= 1 << bit
            (tmp_path / name).write_bytes(flipped)
            assert str(tmp_path / name) in str(_refusal(tmp_path, digest))
    (tmp_path / name).write_bytes(intact)
    assert load_form(tmp_path, digest).digest == digest


def test_the_refusal_says_which_file_what_it_is_and_what_was_wanted(tmp_path: Path) -> None:
    digest = a_form(tmp_path, reference={"rows": 1})
    (tmp_path / "reference.json").write_text('{"rows":2}')
    # sha256 of the two texts, as `sha256sum` prints them.
    assert str(_refusal(tmp_path, digest)) == (
        f"{tmp_path}/reference.json has sha256 19b98918aa59c26ee086d8a818e64fded188be8b6e213ac21eea6ec19fa3bc00; "
        "wanted 74e2d27c7e03e296805655ddfae226dbae96b8a79693f8d6c403115a3e2e2bbc.\n"
        "  Fetch the version again; if it differs there too, register the model again."
    )


def test_another_intact_model_is_refused(tmp_path: Path) -> None:
    digest = a_form(tmp_path / "one")
    a_form(tmp_path / "two", contract="contract-2")
    assert digest in str(_refusal(tmp_path / "two", digest))


@pytest.mark.parametrize("name", FILES)
def test_an_absent_file_is_refused(name: str, tmp_path: Path) -> None:
    digest = a_form(tmp_path)
    (tmp_path / name).unlink()
    assert f"{tmp_path / name} is absent" in str(_refusal(tmp_path, digest))


class _Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("name", ["model.pkl", "MLmodel", "loader.py", "conftest.py", "code", "sitecustomize.py"])
def test_an_evil_folder_is_refused_and_nothing_of_it_runs(name: str, tmp_path: Path) -> None:
    folder, sprung = tmp_path / "model", tmp_path / "sprung"
    digest = a_form(folder)
    if name == "code":
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"open({str(sprung)!r}, 'w')")
    elif name.endswith(".py"):
        (folder / name).write_text(f"open({str(sprung)!r}, 'w')")
    else:
        (folder / name).write_bytes(pickle.dumps(_Bomb(sprung)))
    assert f"{folder / name} is not a file of a model" in str(_refusal(folder, digest))
    assert not sprung.exists()


@pytest.mark.parametrize("name", FILES)
def test_a_pickle_in_place_of_a_file_never_runs_even_when_its_hash_is_the_registered_one(
    name: str, tmp_path: Path
) -> None:
    folder, sprung = tmp_path / "model", tmp_path / "sprung"
    a_form(folder)
    (folder / name).write_bytes(pickle.dumps(_Bomb(sprung)))
    hashes = {each: hashlib.sha256((folder / each).read_bytes()).hexdigest() for each in FILES}
    if name != "signature.json":
        document = json.loads((folder / "signature.json").read_text())
        document["files"][name] = hashes[name]
        (folder / "signature.json").write_text(json.dumps(document))
        hashes["signature.json"] = hashlib.sha256((folder / "signature.json").read_bytes()).hexdigest()
    text = "{" + ",".join(f'"{each}":"{hashes[each]}"' for each in sorted(FILES)) + "}"
    assert str(folder / name) in str(_refusal(folder, hashlib.sha256(text.encode()).hexdigest()))
    assert not sprung.exists()


def test_a_link_is_refused_although_it_leads_to_the_right_bytes(tmp_path: Path) -> None:
    digest = a_form(tmp_path / "model")
    (tmp_path / "model" / "model.ubj").rename(tmp_path / "elsewhere.ubj")
    (tmp_path / "model" / "model.ubj").symlink_to(tmp_path / "elsewhere.ubj")
    assert "model.ubj is a link or a folder" in str(_refusal(tmp_path / "model", digest))


def test_an_encoder_with_fewer_features_than_the_booster_is_refused(tmp_path: Path) -> None:
    digest = a_form(tmp_path, encoder=an_encoder(("limit", "late")), features=("limit", "late"))
    assert "encoder.json makes 2 features; wanted the 3 of model.ubj" in str(_refusal(tmp_path, digest))


def test_an_encoder_with_its_features_in_another_order_is_refused(tmp_path: Path) -> None:
    order = ("late", "limit", "bill")
    digest = a_form(tmp_path, encoder=an_encoder(order), features=order)
    assert 'encoder.json makes 3 features, the first other one "late"; wanted the 3 of model.ubj, there "limit"' in str(
        _refusal(tmp_path, digest)
    )


def test_an_encoder_of_other_columns_than_the_signature_is_refused(tmp_path: Path) -> None:
    digest = a_form(tmp_path, features=("limit", "late", "utilisation"))
    assert "wanted the features of signature.json: limit, late, utilisation" in str(_refusal(tmp_path, digest))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": [{"op": "eval", "value": "1"}]}, 'encoder.json: "late" has operation "eval"'),
        ({"steps": [{"op": "fill", "code": "1"}]}, "encoder.json is not an encoding"),
        ({"steps": [{"value": 1}]}, "encoder.json is not an encoding"),
        ({"source": "age"}, 'encoder.json: "late" has source "age"'),
    ],
    ids=["unknown operation", "unknown key", "no operation", "unknown column"],
)
def test_an_encoding_with_something_unknown_in_it_is_refused(change: dict[str, Any], message: str) -> None:
    lane = {"name": "late", "source": "late", "steps": []}
    with pytest.raises(ModelRefused) as refused:
        parse_encoder({"inputs": ["late"], "outputs": [{**lane, **change}]})
    assert message in str(refused.value)


def test_a_batch_without_a_feature_is_refused_by_name(tmp_path: Path) -> None:
    form = load_form(tmp_path, a_form(tmp_path))
    columns = some_customers(rows=5)
    del columns["late"]
    with pytest.raises(ContractBroken, match='column "late" is absent'):
        form.predict(columns)


def test_text_in_a_number_is_refused_by_name(tmp_path: Path) -> None:
    form = load_form(tmp_path, a_form(tmp_path))
    columns = {**some_customers(rows=2), "late": np.array(["1", "2"], dtype=object)}
    with pytest.raises(ContractBroken, match='column "late" of type object cannot be encoded'):
        form.predict(columns)


_FRESH = """
import sys
from pathlib import Path
from platform_cli.models.form import load_form
import numpy as np
form = load_form(Path(sys.argv[1]), sys.argv[2])
columns = {name: np.arange(8.0) for name in form.features}
form.predict(columns), form.contributions(columns)
roots = {name.partition(".")[0] for name in sys.modules}
print(sorted(roots & {"pandas", "sklearn", "pyarrow", "mlflow", "joblib", "matplotlib", "metaflow", "narwhals"}))
from xgboost import XGBClassifier
print(XGBClassifier(n_estimators=2).fit(np.eye(4), [0, 1, 0, 1]).predict_proba(np.eye(4)).shape)
import scipy.sparse, xgboost
width = form.booster.num_features()
print(form.booster.inplace_predict(scipy.sparse.csr_matrix(np.eye(width, dtype=np.float32))).shape == (width,))
print(xgboost.plot_importance.__module__)
"""


def test_scoring_imports_neither_pandas_nor_scikit_learn_and_training_still_can(tmp_path: Path) -> None:
    digest = a_form(tmp_path)
    answer = subprocess.run(
        [sys.executable, "-c", _FRESH, str(tmp_path), digest], capture_output=True, text=True, check=True
    )
    assert answer.stdout.splitlines() == ["[]", "(4, 2)", "True", "xgboost.plotting"]
