"""The contract file: what it says, what it refuses, and what its fingerprint rests on."""

import pytest

from platform_cli.errors import UsageError
from platform_cli.scoring.contract import load_contract


def test_the_riskiness_contract_has_twenty_features_and_none_of_them_is_protected(contract):
    assert contract.features == (
        "credit_limit",
        *(f"repayment_status_{month}m" for month in range(1, 7)),
        *(f"bill_amount_{month}m" for month in range(1, 7)),
        *(f"payment_amount_{month}m" for month in range(1, 7)),
        "utilisation",
    )
    assert contract.protected == ("sex", "education", "marriage", "age")


def test_a_file_to_be_scored_needs_no_label(contract):
    assert contract.label.name == "default_next_month"
    assert "default_next_month" not in [column.name for column in contract.inputs]


AGE = '{ name = "age",                 role = "protected"'
LIMIT = '{ name = "credit_limit",        role = "feature",   type = "float64", unit = "TWD", min = 1,'


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        pytest.param('name = "riskiness"', "name = riskiness", "is not valid TOML", id="bad TOML"),
        pytest.param(
            AGE, AGE.replace("protected", "feature"), ':21: age: its role is "feature"', id="protected listed"
        ),
        pytest.param(
            AGE, AGE.replace("protected", "label"), ':21: age: its role is "label"', id="protected as the label"
        ),
        pytest.param(
            '"bill_amount_1m / credit_limit"',
            '"bill_amount_1m / age"',
            ':50: utilisation: it is derived from "age", which is protected',
            id="derived from a protected column",
        ),
        pytest.param(
            '"bill_amount_1m / credit_limit"',
            '"bill_amount_1n / credit_limit"',
            'Did you mean "bill_amount_1m"?',
            id="derived from an unknown column",
        ),
        pytest.param(
            '"bill_amount_1m / credit_limit"',
            '"bill_amount_1m / bill_amount_2m"',
            '"bill_amount_2m" may be 0',
            id="a denominator that may be 0",
        ),
        pytest.param('"bill_amount_1m / credit_limit"', '"bill_amount_1m"', "the formula is", id="no formula"),
        pytest.param(
            'name = "bill_amount_2m"', 'name = "bill_amount_1m"', ":33: bill_amount_1m: two", id="duplicate column"
        ),
        pytest.param(LIMIT, LIMIT.replace("min", "mim"), 'unknown key "mim".\n  Did you mean "min"?', id="unknown key"),
        pytest.param("rows_ratio =", "row_ratio =", 'Did you mean "rows_ratio"?', id="unknown limit"),
        pytest.param("derived = [", "derives = [", 'Did you mean "derived"?', id="unknown table"),
        pytest.param(LIMIT, LIMIT.replace("= 1,", "= 1e9,"), "credit_limit: min is 1000000000.0", id="min above max"),
        pytest.param(
            LIMIT, LIMIT.replace("= 1,", "= nan,"), "credit_limit: min is nan", id="a bound that is no number"
        ),
        pytest.param(LIMIT, LIMIT.replace("= 1,", '= "1",'), "credit_limit: min is '1'", id="a bound that is text"),
        pytest.param(LIMIT, LIMIT.replace("float64", "float46"), "type is 'float46'", id="unknown type"),
        pytest.param(LIMIT, LIMIT.replace("feature", "futures"), "role is 'futures'", id="unknown role"),
        pytest.param("max_null_rate = 0.05", "max_null_rate = 5", "max_null_rate is 5", id="a rate above 1"),
        pytest.param("categories = [1, 2]", 'categories = [1, "2"]', "sex: categories are", id="mixed categories"),
        pytest.param("categories = [1, 2]", "categories = [1, 1]", "sex: categories are", id="a category twice"),
        pytest.param('role = "id",     ', 'role = "feature",', '0 columns have the role "id"', id="no id"),
        pytest.param("below = 0.50", "below = 0.05", "the upper edges are", id="falling bands"),
        pytest.param("below = 1.00", "below = 0.99", "the upper edges are", id="bands that end below 1"),
        pytest.param("score_mean = [0.02, 0.60]", "score_mean = [0.6, 0.02]", "score_mean", id="an empty range"),
        pytest.param("rows_ratio = 1.5", "rows_ratio = 0.5", "rows_ratio is 0.5", id="a ratio that no day can meet"),
    ],
)
def test_a_contract_that_contradicts_itself_is_refused_with_its_place(a_contract, old, new, says):
    path = a_contract(old, new)
    with pytest.raises(UsageError) as caught:
        load_contract(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_a_missing_contract_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read the contract .*nowhere\.toml: No such file"):
        load_contract(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("below = 0.50", "below = 0.60", id="a band"),
        pytest.param("rows_ratio = 1.5", "rows_ratio = 2.0", id="a volume limit"),
        pytest.param("max = 120", "max = 110", id="a bound"),
        pytest.param('unit = "years"', 'unit = "months"', id="a protected column"),
    ],
)
def test_the_fingerprint_stays_when_no_model_would_notice(contract, a_contract, old, new):
    assert load_contract(a_contract(old, new)).fingerprint == contract.fingerprint


PAID = 'name = "payment_amount_1m",   role = "feature",   type = "float64"'
SECOND = '{ name = "repayment_status_2m"'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param('name = "bill_amount_6m"', 'name = "bill_amount_7m"', id="a name"),
        pytest.param("7, 8] },\n  " + SECOND, "7] },\n  " + SECOND, id="a category"),
        pytest.param("bill_amount_1m / credit_limit", "bill_amount_2m / credit_limit", id="a formula"),
        pytest.param(PAID, PAID.replace("float64", "int64"), id="a type"),
    ],
)
def test_the_fingerprint_changes_with_what_a_model_rests_on(contract, a_contract, old, new):
    assert load_contract(a_contract(old, new)).fingerprint != contract.fingerprint
