"""Purchases and interactions from events: linked customers and stored lines."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from catalog.models import Store, StoreStock
from customers.models import (
    ChatSession,
    Consent,
    CustomerProfile,
    Interaction,
    Purchase,
    Recommendation,
)
from customers.recommendations.pipeline import recommend
from customers.recommendations.request import RecommendationRequest
from customers.services import chats, consents, preferences, profiles
from mlops.models import InboxEvent, QuarantinedRecord
from mlops.streams.decoding import decode_event, decode_message
from mlops.streams.intake import IntakeResult, apply_events
from mlops.streams.replay import replay_quarantined
from tests.factories.catalog import ProductFactory
from tests.factories.config import ALL_SCOPES, create_api_client
from tests.factories.customers import CustomerFactory
from tests.factories.mlops import event_payload

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TOPIC = "customer_interactions"


@pytest.fixture
def store(db: None) -> Store:
    ProductFactory.create(sku="SKU-1", strain_type="indica")
    return Store.objects.create(code="till", name="Till", province="ON")


def _line(**fields: Any) -> dict[str, Any]:
    return {"product_id": "SKU-1", "quantity": 1, "unit_price": "29.95", **fields}


def _purchase(*lines: dict[str, Any], at: Any = NOON, **data: Any) -> dict[str, Any]:
    content = {"order_id": f"o-{uuid4().hex}", "lines": list(lines or [_line()]), **data}
    return event_payload("purchase", content, occurred_at=at.isoformat())


def _view(at: datetime = NOON, **data: Any) -> dict[str, Any]:
    content = {"type": "view", "product_id": "SKU-1", **data}
    return event_payload("interaction", content, occurred_at=at.isoformat())


def _stock(quantity: Any, at: datetime = NOON, **data: Any) -> dict[str, Any]:
    content = {"store_code": "till", "product_id": "SKU-1", "quantity": quantity, **data}
    return event_payload("stock", content, occurred_at=at.isoformat())


def _send(*events: dict[str, Any]) -> IntakeResult:
    topic = events[0]["topic"]
    payloads = [
        {name: value for name, value in event.items() if name != "topic"} for event in events
    ]
    return apply_events(
        [decode_event(payload, topic=topic) for payload in payloads],
        topic=topic,
        channel=InboxEvent.Channel.REST,
    )


def _codes(result: IntakeResult, index: int = 0) -> list[str]:
    return [warning.code for warning in result.outcomes[index].warnings]


def _consent(customer: CustomerProfile, at: datetime, version: str = "2026-11") -> Consent:
    return consents.give_consent(
        customer=customer,
        purpose="history",
        version=version,
        language="en",
        by="user:test",
        given_at=at,
    )


def _withdraw(customer: CustomerProfile, at: datetime) -> None:
    consents.withdraw_consent(customer=customer, purpose="history", by="user:test")
    newest = Consent.objects.filter(customer=customer, purpose="history").latest("given_at")
    Consent.objects.filter(pk=newest.pk).update(withdrawn_at=at)


# --- T10: the consent at the time of the event


@pytest.mark.parametrize(
    ("occurred_at", "is_linked"),
    [
        (NOON - timedelta(seconds=1), False),  # before the consent
        (NOON, True),
        (NOON + timedelta(hours=1), True),
    ],
)
def test_t10_an_event_is_linked_only_from_the_consent_on(
    store: Store, occurred_at: datetime, is_linked: bool
) -> None:
    customer = CustomerFactory.create()
    _consent(customer, NOON)

    result = _send(
        _purchase(external_id=customer.external_customer_id, at=occurred_at),
        _view(external_id=customer.external_customer_id, at=occurred_at),
    )

    expected = customer if is_linked else None
    assert Purchase.objects.get().customer == expected
    assert Interaction.objects.get().customer == expected
    assert _codes(result, 0) == _codes(result, 1) == ([] if is_linked else ["no_consent"])


@pytest.mark.parametrize(
    ("minutes", "is_linked"), [(5, False), (15, False), (25, True)]
)  # under the first consent, between withdrawal and new consent, under the new one
def test_t10_a_withdrawal_unlinks_what_was_before_it(
    store: Store, minutes: int, is_linked: bool
) -> None:
    customer = CustomerFactory.create()
    _consent(customer, NOON)
    _withdraw(customer, NOON + timedelta(minutes=10))
    _consent(customer, NOON + timedelta(minutes=20))

    _send(
        _purchase(external_id=customer.external_customer_id, at=NOON + timedelta(minutes=minutes))
    )

    assert Purchase.objects.get().customer == (customer if is_linked else None)


def test_t10_a_new_version_of_the_text_does_not_interrupt_the_consent(store: Store) -> None:
    customer = CustomerFactory.create()
    first = _consent(customer, NOON)
    text = first.text
    text.pk, text.version = uuid4(), "2027-01"
    text.save(force_insert=True)
    _consent(customer, NOON + timedelta(minutes=10), version="2027-01")

    _send(_purchase(external_id=customer.external_customer_id, at=NOON + timedelta(minutes=5)))

    assert Purchase.objects.get().customer == customer


def test_t10_a_purchase_before_an_erasure_is_not_linked_to_a_new_registration(
    store: Store,
) -> None:
    customer = CustomerFactory.create(external_id="L-returns")
    _consent(customer, NOON - timedelta(days=2))
    customer.delete()
    again = CustomerFactory.create(external_id="L-returns")
    _consent(again, NOON)

    _send(_purchase(external_id="L-returns", at=NOON - timedelta(days=1)))

    assert Purchase.objects.get().customer is None


def test_a_consent_is_not_recorded_before_the_withdrawal_of_an_earlier_one(store: Store) -> None:
    customer = CustomerFactory.create()
    _consent(customer, NOON)
    _withdraw(customer, NOON + timedelta(minutes=10))

    with pytest.raises(Exception, match="given_at"):
        _consent(customer, NOON + timedelta(minutes=5))


# --- T11: the commit of a withdrawal is a barrier


def _in_thread(work: Callable[[], Any]) -> Any:
    try:
        return work()
    finally:
        connection.close()


def _record_purchase(customer: CustomerProfile) -> None:
    _send(_purchase(external_id=customer.external_customer_id, at=timezone.now()))


def _record_view(customer: CustomerProfile) -> None:
    _send(_view(external_id=customer.external_customer_id, at=timezone.now()))


def _open_chat(customer: CustomerProfile) -> None:
    chats.open_session(customer=customer, store=None, by="user:test")


def _recommend(customer: CustomerProfile) -> None:
    recommend(RecommendationRequest(scenario="home", customer=customer.pk, province="ON"))


def _linked_rows(customer: CustomerProfile) -> int:
    return (
        Recommendation.objects.filter(customer_id=customer.pk).count()
        + Purchase.objects.filter(customer=customer).count()
        + Interaction.objects.filter(customer=customer).count()
        + ChatSession.objects.filter(customer=customer).count()
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("purpose", "record"),
    [
        ("history", _record_purchase),
        ("history", _record_view),
        ("history", _recommend),
        ("chat", _open_chat),
    ],
)
@pytest.mark.parametrize("position", [3, 10, 17])
def test_t11_nothing_is_linked_once_a_withdrawal_has_answered(
    purpose: str, record: Callable[[CustomerProfile], None], position: int
) -> None:
    ProductFactory.create(sku="SKU-1")
    customer = CustomerFactory.create(consents=("history", "chat"))
    works: list[Callable[[], Any]] = [lambda: record(customer)] * 20
    works.insert(
        position,
        lambda: consents.withdraw_consent(customer=customer, purpose=purpose, by="user:test"),
    )

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(_in_thread, work) for work in works]:
            future.result(timeout=60)

    assert _linked_rows(customer) == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("purpose", "record"),
    [
        ("history", _record_purchase),
        ("history", _record_view),
        ("history", _recommend),
        ("chat", _open_chat),
    ],
)
def test_t11_a_writer_that_waits_for_a_withdrawal_sees_it(
    purpose: str, record: Callable[[CustomerProfile], None]
) -> None:
    """The writer starts before the withdrawal commits, and is blocked by its lock."""
    ProductFactory.create(sku="SKU-1")
    customer = CustomerFactory.create(consents=("history", "chat"))
    is_withdrawn, may_commit = threading.Event(), threading.Event()

    def withdraw_slowly() -> None:
        with transaction.atomic():
            consents.withdraw_consent(customer=customer, purpose=purpose, by="user:test")
            is_withdrawn.set()
            may_commit.wait(30)

    with ThreadPoolExecutor(2) as pool:
        withdrawal = pool.submit(_in_thread, withdraw_slowly)
        is_withdrawn.wait(30)
        writer = pool.submit(_in_thread, lambda: record(customer))
        _wait_for_blocked_backend()
        may_commit.set()
        withdrawal.result(timeout=30)
        writer.result(timeout=30)

    assert _linked_rows(customer) == 0


def _wait_for_blocked_backend() -> None:
    for _ in range(300):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
            )
            if cursor.fetchone()[0]:
                return
        threading.Event().wait(0.05)
    pytest.fail("no writer waited for the withdrawal")


# --- T12, class I: stock


@pytest.mark.parametrize("quantity", [-2, -1, -1_000_000])
def test_t12_a_negative_quantity_is_none_on_hand_and_marked(store: Store, quantity: int) -> None:
    _send(_stock(6, NOON))

    result = _send(_stock(quantity, NOON + timedelta(minutes=1)))

    stock = StoreStock.objects.get(store=store)
    assert (stock.quantity, stock.reported_quantity) == (0, quantity)
    assert _codes(result) == ["negative_quantity"]


def test_t12_the_mark_is_removed_by_the_next_count(store: Store) -> None:
    _send(_stock(-2, NOON))

    _send(_stock(5, NOON + timedelta(minutes=1)))

    stock = StoreStock.objects.get(store=store)
    assert (stock.quantity, stock.reported_quantity) == (5, None)


@pytest.mark.parametrize("minutes_ahead", [1, 5, 9])
def test_class_i_a_count_from_a_clock_ahead_does_not_win_over_later_counts(
    store: Store, minutes_ahead: int
) -> None:
    _send(_stock(6, timezone.now() + timedelta(minutes=minutes_ahead)))

    _send(_stock(0, timezone.now()))

    assert StoreStock.objects.get(store=store).quantity == 0


@pytest.mark.parametrize("quantity", ["6", 6.0, True, 1.5])
def test_a_quantity_that_is_no_integer_is_rejected(store: Store, quantity: Any) -> None:
    result = _send(_stock(quantity))

    assert result.rejected[0].field == "data.quantity"


# --- T18, T46: one notation of external ids


@pytest.mark.parametrize(
    "external_id",
    [
        " cust-1",
        "cust-1 ",
        "cust-1\u00a0",
        "\u202fcust-1",
        "cu\u200bst-1",
        "cust-1\n",
        "\ufeffcust-1",
    ],
)
def test_t18_an_event_finds_the_customer_in_any_notation(store: Store, external_id: str) -> None:
    customer = CustomerFactory.create(consents=("history",), external_id="cust-1")

    result = _send(_purchase(external_id=external_id))

    assert Purchase.objects.get().customer == customer
    assert _codes(result) == []


@pytest.mark.parametrize(
    ("registered", "again"),
    [
        ("caf\u00e9-1", "cafe\u0301-1"),
        ("cust-1", "cust\u200b-1"),
        ("cust-1", "\u202ecust-1"),
        ("cust-1", "cust-1\r\n"),
        ("cust 1", "cust\u00a0 1"),
    ],
)
def test_t46_a_look_alike_is_registered_already(db: None, registered: str, again: str) -> None:
    profiles.register_customer(external_id=registered, by="user:test")

    with pytest.raises(Exception, match="registered already"):
        profiles.register_customer(external_id=again, by="user:test")

    assert CustomerProfile.objects.count() == 1


def test_t46_case_is_significant(db: None) -> None:
    profiles.register_customer(external_id="cust-1", by="user:test")

    profiles.register_customer(external_id="CUST-1", by="user:test")

    assert CustomerProfile.objects.count() == 2


def test_an_event_may_name_the_customer_by_our_id(store: Store) -> None:
    customer = CustomerFactory.create(consents=("history",))

    _send(_purchase(external_id=str(customer.pk)))

    assert Purchase.objects.get().customer == customer


@pytest.mark.parametrize(
    ("scopes", "codes"), [(ALL_SCOPES, ["customer_unknown"]), (("events:write",), [])]
)
def test_only_keys_that_read_customers_learn_who_is_registered(
    store: Store, scopes: tuple[str, ...], codes: list[str]
) -> None:
    client: APIClient = create_api_client(scopes=scopes)

    body = client.post(
        "/api/v1/events/", {"events": [_purchase(external_id="nobody")]}, format="json"
    ).json()

    assert [warning["code"] for warning in body["results"][0]["warnings"]] == codes


# --- T19: receipts


def test_t19_known_lines_are_stored_and_the_others_quarantined(store: Store) -> None:
    fee = _line(product_id="BAG-FEE", unit_price="0.05")
    event = _purchase(_line(), fee, store_code="till")

    result = _send(event)

    assert Purchase.objects.get().unit_price == Decimal("29.95")
    assert _codes(result) == ["product_unknown"]
    record = QuarantinedRecord.objects.get()
    assert record.payload["data"]["lines"] == [fee]
    assert record.payload["id"] != event["id"]


def test_t19_quarantined_lines_are_stored_when_their_product_is_known(store: Store) -> None:
    _send(_purchase(_line(), _line(product_id="NEW", unit_price="12.00")))
    ProductFactory.create(sku="NEW")

    counts = replay_quarantined(topic=TOPIC)

    assert (counts.replayed, counts.still_rejected) == (1, 0)
    assert sorted(Purchase.objects.values_list("unit_price", flat=True)) == [
        Decimal("12.00"),
        Decimal("29.95"),
    ]


def test_t19_a_receipt_without_any_known_line_is_rejected(store: Store) -> None:
    result = _send(_purchase(_line(product_id="X"), _line(product_id="Y")))

    assert result.outcomes[0].code == "product_unknown"
    assert not Purchase.objects.exists()


def test_t19_lines_of_ignored_references_are_not_quarantined(store: Store, settings: Any) -> None:
    settings.EVENT_IGNORED_PRODUCTS = frozenset({"BAG-FEE"})

    result = _send(_purchase(_line(), _line(product_id="BAG-FEE", unit_price="0.05")))

    assert _codes(result) == ["line_ignored"]
    assert not QuarantinedRecord.objects.exists()


@pytest.mark.parametrize(
    ("quantity", "unit_price"), [(1, "-10.90"), (-1, "10.90"), (-1, "-10.90"), (1, -10.9)]
)
def test_t19_a_refund_is_a_negative_quantity(store: Store, quantity: int, unit_price: Any) -> None:
    _send(_purchase(_line(quantity=quantity, unit_price=unit_price)))

    row = Purchase.objects.get()
    assert (row.quantity, row.unit_price) == (-1, Decimal("10.90"))


@pytest.mark.parametrize(
    ("unit_price", "stored", "codes"),
    [
        (12.345, "12.35", ["price_rounded"]),
        ("12.344", "12.34", ["price_rounded"]),
        (10.920000000000002, "10.92", []),
        (29.95, "29.95", []),
        ("29.9500", "29.95", []),
    ],
)
def test_t19_prices_are_rounded_to_cents(
    store: Store, unit_price: Any, stored: str, codes: list[str]
) -> None:
    result = _send(_purchase(_line(unit_price=unit_price)))

    assert Purchase.objects.get().unit_price == Decimal(stored)
    assert _codes(result) == codes


@pytest.mark.parametrize("unit_price", ["1e3", True, "29,95", "", None, "NaN"])
def test_a_price_that_is_no_number_is_rejected(store: Store, unit_price: Any) -> None:
    result = _send(_purchase(_line(unit_price=unit_price)))

    assert result.rejected[0].field == "data.lines.0.unit_price"


@pytest.mark.parametrize("reference", [100245, "100245", "00628634123456", "628634123456"])
def test_t19_skus_as_numbers_and_gtins_resolve(store: Store, reference: Any) -> None:
    product = ProductFactory.create(sku="100245", gtin="00628634123456")

    _send(_purchase(_line(product_id=reference)))

    assert Purchase.objects.get().product == product


def test_a_line_of_quantity_zero_is_not_stored(store: Store) -> None:
    result = _send(_purchase(_line(quantity=0), _line()))

    assert Purchase.objects.count() == 1
    assert _codes(result) == ["quantity_zero"]


# --- T25, class G: receipts


def test_t25_a_receipt_under_two_event_ids_is_stored_once(store: Store) -> None:
    receipt = {"order_id": "1001", "store_code": "till"}
    _send(_purchase(_line(), _line(quantity=2), **receipt))

    result = _send(_purchase(_line(), _line(quantity=2), **receipt))

    assert Purchase.objects.count() == 2
    assert (result.outcomes[0].status, result.outcomes[0].code) == ("duplicate", "receipt_repeated")


def test_t25_a_receipt_twice_in_one_batch_is_stored_once(store: Store) -> None:
    receipt = {"order_id": "1001", "store_code": "till"}

    result = _send(_purchase(**receipt), _purchase(**receipt))

    assert Purchase.objects.count() == 1
    assert result.outcomes[1].code == "receipt_repeated"


def test_t25_a_longer_version_of_a_receipt_adds_its_new_lines(store: Store) -> None:
    receipt = {"order_id": "1001", "store_code": "till"}
    _send(_purchase(_line(), **receipt))

    result = _send(_purchase(_line(), _line(quantity=3), **receipt))

    assert sorted(Purchase.objects.values_list("quantity", flat=True)) == [1, 3]
    assert _codes(result) == ["lines_repeated"]


@pytest.mark.parametrize(
    "other",
    [
        {"store_code": None},  # another store
        {"at": NOON + timedelta(days=1)},  # tills restart their numbers each day
        {"order_id": "1002"},
    ],
)
def test_class_g_the_same_number_of_another_store_or_day_is_another_receipt(
    store: Store, other: dict[str, Any]
) -> None:
    receipt = {"order_id": "1001", "store_code": "till"}
    _send(_purchase(**receipt))

    _send(_purchase(**{**receipt, **other}))

    assert Purchase.objects.count() == 2


def test_t25_two_returns_on_one_receipt_are_both_stored(store: Store) -> None:
    receipt = {"order_id": "1001", "store_code": "till"}
    _send(_purchase(_line(quantity=-1), **receipt))

    _send(_purchase(_line(quantity=-1), at=NOON + timedelta(hours=1), **receipt))

    assert Purchase.objects.count() == 2


# --- T17: returns


@pytest.fixture
def shopper(store: Store) -> CustomerProfile:
    ProductFactory.create(sku="SAT", strain_type="sativa")
    return CustomerFactory.create(consenting=True)


def _derive(customer: CustomerProfile) -> CustomerProfile:
    preferences.derive_due_preferences()
    customer.refresh_from_db()
    return customer


def _buy(customer: CustomerProfile, days_ago: float, **line: Any) -> None:
    at = timezone.now() - timedelta(days=days_ago)
    _send(_purchase(_line(**line), at=at, external_id=customer.external_customer_id))


def test_t17_what_was_returned_counts_for_nothing(shopper: CustomerProfile) -> None:
    _buy(shopper, 5, quantity=4)
    _buy(shopper, 4, quantity=-4)

    customer = _derive(shopper)

    assert customer.derived_preferences == {}
    assert (customer.purchase_frequency, customer.avg_spending) == (0, None)


def test_t17_a_return_alone_is_no_order(shopper: CustomerProfile) -> None:
    _buy(shopper, 4, quantity=-4, unit_price="50.00")

    customer = _derive(shopper)

    assert (customer.purchase_frequency, customer.avg_spending) == (0, None)


def test_t17_a_return_of_another_type_does_not_weaken_a_preference(
    shopper: CustomerProfile,
) -> None:
    _buy(shopper, 5, quantity=5)
    _buy(shopper, 4, quantity=-4, product_id="SAT")

    assert _derive(shopper).derived_preferences["strain_types"] == ["indica"]


def test_t17_a_return_in_part_leaves_the_rest(shopper: CustomerProfile) -> None:
    _buy(shopper, 5, quantity=4, unit_price="10.00")
    _buy(shopper, 4, quantity=-1, unit_price="10.00")

    customer = _derive(shopper)

    assert (customer.purchase_frequency, customer.avg_spending) == (1, Decimal("30.00"))


# --- T24: quarantine


def test_t24_the_number_of_an_unknown_person_is_not_quarantined(store: Store) -> None:
    _send(_view(product_id="none", external_id="erased-person"))

    assert "erased-person" not in str(QuarantinedRecord.objects.get().payload)


def test_t24_the_number_of_a_registered_customer_stays(store: Store) -> None:
    customer = CustomerFactory.create(external_id="L-known")

    _send(_view(product_id="none", external_id="L-known"))

    payload = QuarantinedRecord.objects.get().payload
    assert payload["data"]["external_id"] == customer.external_customer_id


@pytest.mark.parametrize(
    "text",
    [
        '{"data": {"external_id": "erased-person", ',
        '{"data": {"external_id" : "erased-person"',
        'x "external_id":"erased-person"',
    ],
)
def test_t24_text_that_is_not_json_is_quarantined_without_the_number(db: None, text: str) -> None:
    apply_events(
        [decode_message(text.encode(), topic=TOPIC)], topic=TOPIC, channel=InboxEvent.Channel.KAFKA
    )

    assert "erased-person" not in str(QuarantinedRecord.objects.get().payload)
