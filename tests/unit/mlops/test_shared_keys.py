"""Keys that the training part and the test part share, which a leaked row would have."""

import pyarrow as pa
import pytest

from mlops.registry.training import _shared_keys


def _table(*chunks: list[tuple[int, str]], is_dictionary: bool) -> pa.Table:
    """Return a table in chunks, each with its codes, as parts that were read one by one have."""
    parts = []
    for rows in chunks:
        products = pa.array([product for _, product in rows])
        columns = {
            "customer": pa.array([customer for customer, _ in rows]),
            "product": products.dictionary_encode() if is_dictionary else products,
        }
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)


@pytest.mark.parametrize("is_dictionary", [False, True])
def test_shared_keys_are_counted_once_over_chunks(is_dictionary: bool) -> None:
    train = _table([(1, "b"), (1, "a")], [(2, "c")], is_dictionary=is_dictionary)
    test = _table([(2, "c"), (2, "c")], [(3, "a"), (1, "a")], is_dictionary=is_dictionary)

    assert _shared_keys(train, test, ("customer", "product")) == 2


@pytest.mark.parametrize("is_dictionary", [False, True])
def test_other_customers_rows_of_a_product_are_not_shared(is_dictionary: bool) -> None:
    train = _table([(1, "a")], is_dictionary=is_dictionary)
    test = _table([(2, "b")], [(2, "a")], is_dictionary=is_dictionary)

    assert _shared_keys(train, test, ("customer", "product")) == 0
