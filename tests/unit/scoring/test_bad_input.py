"""Each way in which a file of customers can be wrong: one message that names file, column and count; nothing stored."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from platform_cli.errors import ContractBroken, ExitCode, NotFound
from platform_cli.scoring.snapshot import take_snapshot


def put(name, value, *rows):
    """Replace the values of a column in some rows."""

    def change(columns):
        values = columns[name].to_pylist()
        for row in rows:
            values[row] = value
        columns[name] = pa.array(values, columns[name].type)
        return columns

    return change


def as_text(name, value, *rows):
    """Turn a column into text and put a word into some rows."""

    def change(columns):
        values = [str(item) for item in columns[name].to_pylist()]
        for row in rows:
            values[row] = value
        columns[name] = pa.array(values)
        return columns

    return change


def renamed(old, new):
    return lambda columns: {new if name == old else name: values for name, values in columns.items()}


def without(name):
    return lambda columns: {key: values for key, values in columns.items() if key != name}


def with_extra(columns):
    return {**columns, "shoe_size": pa.array([42] * 2_000)}


def swapped(columns):
    names = list(columns)
    names[12], names[13] = names[13], names[12]
    return {name: columns[name] for name in names}


def constant(name, value):
    return put(name, value, *range(2_000))


BAD = [
    pytest.param(without("bill_amount_3m"), ['column "bill_amount_3m": it is missing'], id="missing column"),
    pytest.param(with_extra, ['column "shoe_size": it is not in the contract'], id="extra column"),
    pytest.param(
        renamed("bill_amount_3m", "bil_amount_3m"),
        ['"bill_amount_3m": it is missing', '"bil_amount_3m": Did you mean "bill_amount_3m"?'],
        id="renamed column",
    ),
    pytest.param(swapped, ["2 columns are in another order", '"bill_amount_1m" at that place'], id="reordered columns"),
    pytest.param(
        put("bill_amount_1m", float("inf"), 7), ['"bill_amount_1m": 1 of 2,000 values are infinite'], id="inf"
    ),
    pytest.param(put("bill_amount_1m", float("-inf"), 7, 8), ['"bill_amount_1m": 2 of', "infinite"], id="minus inf"),
    pytest.param(put("bill_amount_1m", float("nan"), 7, 9, 11), ["3 of 2,000 values are NaN", "row 8"], id="NaN"),
    pytest.param(
        put("credit_limit", 0.0, 4), ['"credit_limit": 1 of', "the first is 0.0 in row 5", "at least 1"], id="too low"
    ),
    pytest.param(put("age", 200, 1, 2), ['"age": 2 of 2,000 values are out of bounds', "at most 120"], id="too high"),
    pytest.param(put("repayment_status_1m", 9, 3), ['"repayment_status_1m": 1 of', "unknown cat"], id="category above"),
    pytest.param(put("marriage", 4, 3, 4), ['"marriage": 2 of', "one of 0, 1, 2, 3"], id="unknown protected category"),
    pytest.param(
        put("bill_amount_6m", None, *range(101)),
        ['"bill_amount_6m"', "of 2,000 values are missing", "at most 5.0%"],
        id="nulls above the rate",
    ),
    pytest.param(put("credit_limit", None, 5), ['"credit_limit": 1 of 2,000 values are missing'], id="a null too many"),
    pytest.param(constant("bill_amount_2m", 10.0), ["all 2,000 values are 10.0"], id="constant column"),
    pytest.param(put("customer_id", 5, 5), ['"customer_id": 1 of 2,000 values repeat the id'], id="duplicate id"),
    pytest.param(put("customer_id", 1, 1500), ['"customer_id": 1 of', "repeat the id"], id="duplicate id far away"),
    pytest.param(put("customer_id", None, 3, 4), ['"customer_id": 2 of 2,000 values are missing'], id="missing id"),
]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize(("change", "says"), BAD)
def test_a_breach_names_file_column_and_count_and_stores_nothing(place, contract, customers, change, says, suffix):
    path = customers(change, suffix=suffix)
    with pytest.raises(ContractBroken) as caught:
        take_snapshot(place, contract, path)
    assert caught.value.exit_code == ExitCode.CONTRACT_BROKEN == 65
    assert path in str(caught.value)
    for words in says:
        assert words in str(caught.value)
    assert place.store.list("") == []


@pytest.mark.parametrize(
    ("name", "word", "rows"),
    [
        pytest.param("credit_limit", "lots", (3,), id="a word"),
        pytest.param("credit_limit", "1,5", (3,), id="a decimal comma"),
        pytest.param("age", "34.5", (3, 4), id="a fraction where whole numbers are wanted"),
        pytest.param("repayment_status_4m", "NULL", (0, 1, 2), id="a word for null"),
    ],
)
def test_text_in_a_number_of_a_csv_is_counted(place, contract, customers, name, word, rows):
    path = customers(as_text(name, word, *rows), suffix=".csv")
    with pytest.raises(ContractBroken) as caught:
        take_snapshot(place, contract, path)
    said = str(caught.value)
    assert f'{path}: column "{name}": {len(rows)} of 2,000 values are not of its type' in said
    assert f'the first is "{word}" in row {rows[0] + 1}' in said


def test_text_in_two_columns_is_one_message(place, contract, customers):
    def change(columns):
        return as_text("age", "old", 1)(as_text("credit_limit", "lots", 2, 3)(columns))

    with pytest.raises(ContractBroken) as caught:
        take_snapshot(place, contract, customers(change, suffix=".csv"))
    assert '"credit_limit": 2 of' in str(caught.value)
    assert '"age": 1 of' in str(caught.value)


def test_several_findings_are_one_message(place, contract, customers):
    def change(columns):
        return put("age", 200, 1)(put("marriage", 9, 2, 3)(put("credit_limit", None, 4)(columns)))

    with pytest.raises(ContractBroken) as caught:
        take_snapshot(place, contract, customers(change))
    said = str(caught.value)
    assert "3 findings" in said
    assert '"credit_limit": 1 of' in said
    assert '"marriage": 2 of' in said
    assert '"age": 1 of' in said


@pytest.mark.parametrize(
    ("name", "type_", "says"),
    [
        pytest.param("credit_limit", pa.string(), "its type is string; wanted float64", id="text for a number"),
        pytest.param("age", pa.float64(), "its type is double; wanted int64", id="fractions for whole numbers"),
        pytest.param("customer_id", pa.string(), "its type is string; wanted int64", id="text for the id"),
        pytest.param("age", pa.timestamp("ms"), "its type is timestamp[ms]; wanted int64", id="dates for numbers"),
    ],
)
def test_a_column_of_another_type_is_refused(place, contract, customers, name, type_, says):
    path = customers(lambda columns: {**columns, name: columns[name].cast(type_)})
    with pytest.raises(ContractBroken) as caught:
        take_snapshot(place, contract, path)
    assert f'{path}: column "{name}": {says}' in str(caught.value)


def test_a_type_that_fits_without_loss_is_taken(place, contract, customers):
    narrow = customers(lambda columns: {**columns, "age": columns["age"].cast(pa.int8())})
    assert take_snapshot(place, contract, narrow).input.rows == 2_000


def test_two_columns_of_one_name_are_refused(place, contract, customers):
    path = Path(customers(suffix=".csv"))
    head, _, rest = path.read_text().partition("\n")
    path.write_text(head.replace("bill_amount_2m", "bill_amount_1m") + "\n" + rest)
    with pytest.raises(ContractBroken, match='column "bill_amount_1m": 2 columns have this name'):
        take_snapshot(place, contract, str(path))


def cut(path, share):
    body = Path(path).read_bytes()
    Path(path).write_bytes(body[: int(len(body) * share)])


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_an_empty_file_is_refused(place, contract, customers, suffix):
    path = customers(suffix=suffix)
    cut(path, 0)
    with pytest.raises(ContractBroken, match=rf"customers\{suffix} is empty: 0 bytes"):
        take_snapshot(place, contract, path)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_file_of_columns_without_rows_is_refused(place, contract, customers, suffix):
    path = customers(lambda columns: {name: values.slice(0, 0) for name, values in columns.items()}, suffix=suffix)
    with pytest.raises(ContractBroken, match=rf"customers\{suffix}: it has 0 rows"):
        take_snapshot(place, contract, path)


@pytest.mark.parametrize("share", [0.5, 0.99], ids=["its first half", "all but the end"])
def test_half_a_parquet_file_is_refused(place, contract, customers, share):
    path = customers()
    cut(path, share)
    with pytest.raises(ContractBroken, match=r"customers\.parquet is not a whole Parquet file: [\d,]+ bytes"):
        take_snapshot(place, contract, path)


def test_a_parquet_file_whose_pages_are_damaged_is_refused(place, contract, customers):
    path = Path(customers())
    body = bytearray(path.read_bytes())
    middle = len(body) // 2
    body[middle : middle + 2_000] = bytes(2_000)
    path.write_bytes(body)
    with pytest.raises(ContractBroken, match=r"customers\.parquet"):
        take_snapshot(place, contract, str(path))
    assert place.store.list("") == []


def test_a_csv_that_ends_within_a_row_is_refused(place, contract, customers):
    path = Path(customers(suffix=".csv"))
    rows = path.read_text().splitlines()
    path.write_text("\n".join([*rows[:1000], rows[1000][:30]]))
    with pytest.raises(ContractBroken, match="1 rows have another number of fields"):
        take_snapshot(place, contract, str(path))


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_refused(place, contract, customers, encoding):
    path = Path(customers(suffix=".csv"))
    path.write_bytes((path.read_text() + "Müller\n").encode(encoding))
    with pytest.raises(ContractBroken, match=r"customers\.csv: line [\d,]+ is not UTF-8"):
        take_snapshot(place, contract, str(path))


def test_a_byte_order_mark_is_no_part_of_a_name(place, contract, customers):
    path = Path(customers(suffix=".csv"))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert take_snapshot(place, contract, str(path)).input.rows == 2_000


def test_a_file_that_is_not_there_is_named(place, contract):
    with pytest.raises(NotFound, match=r"the input nowhere\.csv does not exist"):
        take_snapshot(place, contract, "nowhere.csv")


def test_nulls_within_the_rate_pass(place, contract, customers):
    path = customers(put("bill_amount_6m", None, *range(50)))
    assert take_snapshot(place, contract, path).input.rows == 2_000


def test_a_few_customers_may_all_be_alike(place, contract, customers, clean_table, tmp_path):
    path = tmp_path / "few.parquet"
    pq.write_table(clean_table.slice(0, 5), path)
    assert take_snapshot(place, contract, str(path)).input.rows == 5


@pytest.mark.real
def test_the_real_customers_keep_the_contract(place, contract, real_customers):
    assert take_snapshot(place, contract, str(real_customers)).input.rows == 30_000
