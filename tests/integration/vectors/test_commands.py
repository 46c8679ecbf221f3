"""Commands of the vectors as operators type them, and what the outbox watches."""

import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from catalog.embeddings import ENCODED
from catalog.models import Product
from tests.integration.locks import held_elsewhere
from vectors import search
from vectors.store import store

pytestmark = pytest.mark.django_db(transaction=True)
COLLECTION = "product_embeddings"


def _refused(*arguments: str) -> CommandError:
    with pytest.raises(CommandError) as refused:
        call_command(*arguments)
    return refused.value


def test_vectors_are_indexed_reconciled_and_rebuilt(capsys: pytest.CaptureFixture[str]) -> None:
    Product.objects.bulk_create(
        [Product(name=f"Kush {n}", merge_key=f"test:{n}", category="vapes") for n in range(3)]
    )
    call_command("index_vectors")
    assert f"{COLLECTION}: 3 encoded" in capsys.readouterr().out
    call_command("reconcile_vectors")
    index = search.serving(COLLECTION)
    store().delete(index.physical, [str(Product.objects.all()[0].pk)])
    found = _refused("reconcile_vectors", "--dry-run")
    assert (found.returncode, str(found)) == (1, "1 differences were found.")
    call_command("reconcile_vectors", "--collection", COLLECTION)
    call_command("reconcile_vectors", "--dry-run")
    call_command("rebuild_vectors", "--collection", COLLECTION, "--index-type", "FLAT")
    assert search.serving(COLLECTION).pk != index.pk
    assert "recall@10 1.000" in capsys.readouterr().out


def test_a_build_that_another_has_begun_is_waited_for() -> None:
    Product.objects.create(name="Kush", merge_key="test:0", category="vapes")
    with held_elsewhere(f"vectors:{COLLECTION}") as release:
        refused = _refused("index_vectors", "--wait", "0")
        assert (refused.returncode, "Another process" in str(refused)) == (2, True)
        threading.Timer(1, release).start()
        call_command("index_vectors")
    assert search.serving(COLLECTION).vectors.count() == 1


def test_names_that_are_not_there_are_refused() -> None:
    for command in ("reconcile_vectors", "rebuild_vectors"):
        refused = _refused(command, "--collection", "nothing")
        assert refused.returncode == 2
        assert "there are product_embeddings" in str(refused)


def test_triggers_watch_every_column_that_is_encoded() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgargs FROM pg_trigger WHERE tgname = 'products_vector_updated'")
        watched = bytes(cursor.fetchone()[0]).decode().split("\x00")
    assert set(watched) - {""} == {*ENCODED, "merged_into_id"}
