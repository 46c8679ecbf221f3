"""Management commands of the vectors app, and the columns that its triggers watch."""

import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from catalog.embeddings import ENCODED
from catalog.models import Product
from tests.factories.catalog import ProductFactory
from tests.integration.locks import hold_lock_elsewhere
from vectors.search import serving_index
from vectors.store import store

pytestmark = pytest.mark.django_db(transaction=True)
COLLECTION = "product_embeddings"


def _call_failing_command(*arguments: str) -> CommandError:
    with pytest.raises(CommandError) as raised:
        call_command(*arguments)
    return raised.value


def test_commands_index_reconcile_and_rebuild(capsys: pytest.CaptureFixture[str]) -> None:
    Product.objects.bulk_create(
        [Product(name=f"Kush {n}", merge_key=f"test:{n}", category="vapes") for n in range(3)]
    )

    call_command("index_vectors")
    assert f"{COLLECTION}: 3 encoded" in capsys.readouterr().out
    call_command("reconcile_vectors")

    index = serving_index(COLLECTION)
    store().delete(index.physical_name, [str(Product.objects.all()[0].pk)])
    error = _call_failing_command("reconcile_vectors", "--dry-run")
    assert error.returncode == 1
    assert str(error) == "1 differences found."

    call_command("reconcile_vectors", "--collection", COLLECTION)
    call_command("reconcile_vectors", "--dry-run")

    call_command("rebuild_vectors", "--collection", COLLECTION, "--index-type", "FLAT")
    assert serving_index(COLLECTION).pk != index.pk
    assert "recall@10 1.000" in capsys.readouterr().out


def test_index_command_waits_for_a_concurrent_build() -> None:
    ProductFactory.create(name="Kush", category="vapes")

    with hold_lock_elsewhere(f"vectors:{COLLECTION}") as release:
        error = _call_failing_command("index_vectors", "--wait", "0")
        assert error.returncode == 2
        assert "Another process" in str(error)

        threading.Timer(1, release).start()
        call_command("index_vectors")

    assert serving_index(COLLECTION).vectors.count() == 1


@pytest.mark.parametrize("command", ["reconcile_vectors", "rebuild_vectors"])
def test_unknown_collection_is_an_error_that_names_the_known_ones(command: str) -> None:
    error = _call_failing_command(command, "--collection", "nothing")

    assert error.returncode == 2
    assert "known: product_embeddings" in str(error)


def test_triggers_watch_every_encoded_column() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgargs FROM pg_trigger WHERE tgname = 'products_vector_updated'")
        columns = bytes(cursor.fetchone()[0]).decode().split("\x00")

    assert set(columns) - {""} == {*ENCODED, "merged_into_id"}
