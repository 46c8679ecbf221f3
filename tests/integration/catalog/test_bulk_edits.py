"""Bulk edits in the background: queued by the console, written once, undone as a whole."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from catalog.admin import bulk
from catalog.models import BulkEdit, Product, ProductLock
from catalog.services.bulk_edits import queue_bulk_edit
from catalog.services.undo import undo_operation
from catalog.tasks import run_bulk_edit
from mlops.models import Operation
from tests.factories.catalog import ProductFactory
from tests.integration.console import message_levels

pytestmark = pytest.mark.django_db
LIST = "/console/catalog/product/"
TRAY = "/console/background/"


@pytest.fixture
def editor() -> User:
    user = User.objects.create_user("edith", password=None, is_staff=True)
    user.groups.add(Group.objects.get(name="Catalogue editor"))
    return user


@pytest.fixture
def client(editor: User) -> Client:
    client = Client()
    client.force_login(editor)
    return client


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the bulk edits that the console has queued; more than two products are many."""
    ids: list[str] = []
    monkeypatch.setattr(bulk, "MAX_AT_ONCE", 2)
    monkeypatch.setattr(run_bulk_edit, "delay", lambda *, edit_id: ids.append(edit_id))
    return ids


def _confirm(client: Client, products: list[Product], **fields: Any) -> Any:
    form = {
        "action": "edit_many",
        "_selected_action": [product.pk for product in products],
        "field": "price",
        "value": "12.50",
        "reason": "spring sale",
        "confirmed": "yes",
        **fields,
    }
    return client.post(f"{LIST}?o=1", form, follow=True)


def _edit(editor: User, products: list[Product], **values: Any) -> BulkEdit:
    values = values or {"price": Decimal("12.50")}
    return queue_bulk_edit(
        changes={product.pk: values for product in products}, by=editor, reason="spring sale"
    )


def test_edit_of_many_products_is_queued(
    client: Client, queued: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    products = ProductFactory.create_batch(3, price=10)

    with django_capture_on_commit_callbacks(execute=True):
        response = _confirm(client, products)

    edit = BulkEdit.objects.get()
    assert queued == [str(edit.pk)]
    assert (edit.state, edit.product_count) == ("queued", 3)
    assert message_levels(response) == ["success"]
    assert response.redirect_chain[-1][0] == f"{LIST}?o=1"
    assert set(Product.objects.values_list("price", flat=True)) == {Decimal(10)}


def test_edit_of_few_products_is_written_at_once(client: Client, queued: list[str]) -> None:
    _confirm(client, ProductFactory.create_batch(2, price=10))

    assert (queued, BulkEdit.objects.count()) == ([], 0)
    assert set(Product.objects.values_list("price", flat=True)) == {Decimal("12.50")}


def test_task_writes_all_products_in_one_operation(editor: User) -> None:
    edit = _edit(editor, ProductFactory.create_batch(3, price=10))

    counts = run_bulk_edit.run(edit_id=str(edit.pk))

    edit.refresh_from_db()
    operation = Operation.objects.get()
    assert counts == {"changed": 3, "skipped": 0}
    assert (edit.state, edit.operation, edit.changes) == ("done", operation, {})
    assert (operation.kind, operation.reason, operation.actor) == (
        "bulk_edit",
        "spring sale",
        editor,
    )
    assert set(Product.objects.values_list("price", flat=True)) == {Decimal("12.50")}
    assert ProductLock.objects.filter(field="price").count() == 3


def test_task_that_is_delivered_again_writes_nothing(editor: User) -> None:
    edit = _edit(editor, ProductFactory.create_batch(2, price=10))
    run_bulk_edit.run(edit_id=str(edit.pk))

    assert run_bulk_edit.run(edit_id=str(edit.pk)) == {}

    assert Operation.objects.count() == 1


def test_task_of_a_killed_worker_is_continued(editor: User) -> None:
    edit = _edit(editor, ProductFactory.create_batch(2, price=10))
    BulkEdit.objects.update(state=BulkEdit.State.RUNNING)

    counts = run_bulk_edit.run(edit_id=str(edit.pk))

    assert counts["changed"] == 2


def test_values_of_other_types_survive_the_queue(editor: User) -> None:
    (product,) = ProductFactory.create_batch(1)
    edit = _edit(editor, [product], terpenes=["myrcene", "limonene"], thc_mg=Decimal("10.00"))

    run_bulk_edit.run(edit_id=str(edit.pk))

    product.refresh_from_db()
    assert (product.terpenes, product.thc_mg) == (["myrcene", "limonene"], Decimal(10))


def test_locked_fields_are_skipped_and_counted(editor: User) -> None:
    products = ProductFactory.create_batch(2, price=10)
    ProductLock.objects.create(product=products[0], field="price", locked_by=editor)
    edit = _edit(editor, products)

    counts = run_bulk_edit.run(edit_id=str(edit.pk))

    edit.refresh_from_db()
    assert (counts, edit.skipped_count) == ({"changed": 1, "skipped": 1}, 1)


def test_refused_edit_writes_nothing_and_says_why(client: Client, editor: User) -> None:
    edit = _edit(editor, ProductFactory.create_batch(2, price=10), price="much")

    run_bulk_edit.run(edit_id=str(edit.pk))

    edit.refresh_from_db()
    (task,) = client.get(TRAY).json()["tasks"]
    assert (edit.state, edit.operation) == ("refused", None)
    assert task["has_failed"]
    assert edit.refusal in task["state"]
    assert set(Product.objects.values_list("price", flat=True)) == {Decimal(10)}


def test_edit_is_undone_as_a_whole(editor: User) -> None:
    edit = _edit(editor, ProductFactory.create_batch(3, price=10))
    run_bulk_edit.run(edit_id=str(edit.pk))
    edit.refresh_from_db()
    assert edit.operation is not None

    undo_operation(original=edit.operation, by=editor)

    assert set(Product.objects.values_list("price", flat=True)) == {Decimal(10)}
    assert not ProductLock.objects.exists()


def test_tray_leads_from_the_finished_edit_to_its_undo(client: Client, editor: User) -> None:
    edit = _edit(editor, ProductFactory.create_batch(2, price=10))
    before = client.get(TRAY).json()

    run_bulk_edit.run(edit_id=str(edit.pk))

    after = client.get(TRAY).json()
    operation = Operation.objects.get()
    assert (before["running"], after["running"]) == (1, 0)
    assert after["tasks"][0]["url"] == reverse("admin:mlops_operation_change", args=[operation.pk])


def test_tray_shows_no_edits_of_others(client: Client) -> None:
    other = User.objects.create_superuser("root", password=None)
    _edit(other, ProductFactory.create_batch(2, price=10))

    assert client.get(TRAY).json()["tasks"] == []
