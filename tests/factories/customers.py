"""Factories of customers: profiles with consents, history, chats and recommendations."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from catalog.models import Product, Store
from customers.models import (
    BusinessRule,
    ChatMessage,
    ChatSession,
    Consent,
    ConsentText,
    CustomerProfile,
    Interaction,
    MessageFeedback,
    ProductNeighbor,
    ProductPopularity,
    Purchase,
    Recommendation,
    RecommendationFeedback,
    StoreRepeatStatistics,
)
from customers.services import consents, profiles
from tests.factories.catalog import ProductFactory, StoreFactory

CONSENTED_AT = datetime(2020, 1, 1, tzinfo=UTC)
"""Before every event of the tests."""
_ACTOR = "user:test"
_VERIFIED_AGE = 19
"""Of customers whose province, and thereby legal age, is unknown."""
_RULE_CRITERIA = ("product", "brand", "category", "strain_type", "min_thc_percentage")


class CustomerFactory(DjangoModelFactory[CustomerProfile]):
    """
    Customers, registered by the service.

    consents: purposes that the customer agrees to. is_age_verified: whether a proof of age was
    shown in the store.
    """

    class Meta:
        model = CustomerProfile

    class Params:
        verified = factory.Trait(province="ON", is_age_verified=True)
        consenting = factory.Trait(consents=("history", "profiling"))

    external_id = factory.LazyFunction(lambda: f"L-{uuid4().hex[:8]}")
    consents = ()
    is_age_verified = False

    @classmethod
    def _create(
        cls, model_class: type[CustomerProfile], *args: Any, **fields: Any
    ) -> CustomerProfile:
        purposes = fields.pop("consents")
        is_age_verified = fields.pop("is_age_verified")
        customer = profiles.register_customer(by=_ACTOR, **fields)
        for purpose in purposes:
            ConsentFactory.create(customer=customer, purpose=purpose)
        if is_age_verified:
            return profiles.verify_age(
                customer=customer,
                verification_method="in_person",
                by=_ACTOR,
                verified_age=None if customer.province else _VERIFIED_AGE,
            )
        return customer


class ConsentFactory(DjangoModelFactory[Consent]):
    """Consents to the newest text of a purpose, given and withdrawn by the services."""

    class Meta:
        model = Consent

    class Params:
        withdrawn = factory.Trait(is_withdrawn=True)

    customer = factory.SubFactory(CustomerFactory)
    purpose = "history"
    language = "en"
    channel = "till"
    given_at = CONSENTED_AT
    is_withdrawn = False

    @classmethod
    def _create(cls, model_class: type[Consent], *args: Any, **fields: Any) -> Consent:
        is_withdrawn = fields.pop("is_withdrawn")
        text = ConsentText.objects.filter(purpose=fields["purpose"]).latest("created_at")
        consent = consents.give_consent(version=text.version, by=_ACTOR, **fields)
        if is_withdrawn:
            consents.withdraw_consent(customer=consent.customer, purpose=consent.purpose, by=_ACTOR)
            consent.refresh_from_db()
        return consent


class PurchaseFactory(DjangoModelFactory[Purchase]):
    """Receipts with one line: one unit at the price of the product, bought three days ago."""

    class Meta:
        model = Purchase

    class Params:
        days_ago = 3.0
        anonymous = factory.Trait(customer=None)
        returned = factory.Trait(quantity=-1)

    event_id = factory.LazyFunction(uuid4)
    line = 0
    order_id = factory.LazyFunction(lambda: uuid4().hex)
    customer = factory.SubFactory(CustomerFactory, consents=("history",))
    store = None
    product = factory.SubFactory(ProductFactory)
    quantity = 1
    unit_price = factory.LazyAttribute(lambda purchase: purchase.product.price or 1)
    purchased_at = factory.LazyAttribute(
        lambda purchase: timezone.now() - timedelta(days=purchase.days_ago)
    )


def record_purchases(
    customer: CustomerProfile | None,
    product: Product,
    *,
    store: Store,
    days_ago: float = 3,
    times: int = 1,
) -> None:
    """Record purchases of a product, a week apart, the last of them `days_ago` days ago."""
    for number in range(times):
        PurchaseFactory.create(
            customer=customer, product=product, store=store, days_ago=days_ago + 7 * number
        )


def record_receipt(
    customer: CustomerProfile | None,
    *products: Product,
    store: Store | None = None,
    days_ago: float = 3,
    quantity: int = 1,
    order_id: str = "",
) -> str:
    """Record one receipt with a line for each product; return its order id."""
    event_id = uuid4()
    order_id = order_id or uuid4().hex
    for line, product in enumerate(products):
        PurchaseFactory.create(
            event_id=event_id,
            line=line,
            order_id=order_id,
            customer=customer,
            store=store,
            product=product,
            quantity=quantity,
            unit_price=10,
            days_ago=days_ago,
        )
    return order_id


class InteractionFactory(DjangoModelFactory[Interaction]):
    """Views of a product by a customer, a day ago."""

    class Meta:
        model = Interaction

    class Params:
        days_ago = 1.0
        anonymous = factory.Trait(customer=None, session="session-1")

    kind = Interaction.Kind.VIEW
    customer = factory.SubFactory(CustomerFactory, consents=("history",))
    product = factory.SubFactory(ProductFactory)
    occurred_at = factory.LazyAttribute(
        lambda interaction: timezone.now() - timedelta(days=interaction.days_ago)
    )


class ChatSessionFactory(DjangoModelFactory[ChatSession]):
    """Conversations of customers who agreed to keep them."""

    class Meta:
        model = ChatSession

    class Params:
        anonymous = factory.Trait(customer=None)

    customer = factory.SubFactory(CustomerFactory, consents=("chat",))
    language = "en"
    session_start = factory.LazyFunction(timezone.now)


class ChatMessageFactory(DjangoModelFactory[ChatMessage]):
    """Messages of customers, without personal data."""

    class Meta:
        model = ChatMessage

    id = factory.LazyFunction(uuid4)
    session = factory.SubFactory(ChatSessionFactory)
    message_text = "Do you have an indica?"
    redacted_text = factory.LazyAttribute(lambda message: message.message_text)
    created_at = factory.LazyFunction(timezone.now)
    role = ChatMessage.Role.CUSTOMER
    language = "en"


class MessageFeedbackFactory(DjangoModelFactory[MessageFeedback]):
    """Positive feedback on a message of the session."""

    class Meta:
        model = MessageFeedback

    session = factory.SubFactory(ChatSessionFactory)
    message_id = factory.LazyFunction(uuid4)
    is_helpful = True
    comment = "thanks"


class BusinessRuleFactory(DjangoModelFactory[BusinessRule]):
    """Rules that hide one new product, unless other products are given by a criterion."""

    class Meta:
        model = BusinessRule

    class Params:
        boosting = factory.Trait(action="boost", unpaid_note="no supplier pays for it")

    name = factory.Sequence(lambda n: f"rule {n}")
    action = BusinessRule.Action.HIDE
    reason = "a test"

    @classmethod
    def _create(cls, model_class: type[BusinessRule], *args: Any, **fields: Any) -> BusinessRule:
        if not any(fields.get(criterion) for criterion in _RULE_CRITERIA):
            fields["product"] = ProductFactory.create()
        return model_class.objects.create(**fields)


class ProductNeighborFactory(DjangoModelFactory[ProductNeighbor]):
    """Pairs of products that nine customers bought together."""

    class Meta:
        model = ProductNeighbor

    product = factory.SubFactory(ProductFactory)
    neighbor = factory.SubFactory(ProductFactory)
    score = 0.9
    buyers = 9


class ProductPopularityFactory(DjangoModelFactory[ProductPopularity]):
    """Sales scores of products in a store."""

    class Meta:
        model = ProductPopularity

    class Params:
        everywhere = factory.Trait(store=None)

    store = factory.SubFactory(StoreFactory)
    product = factory.SubFactory(ProductFactory)
    score = 1.0
    orders = 1


def rank_by_popularity(products: list[Product], *, store: Store | None) -> None:
    """Record the products as sold in a store: the first in one order, the last in most."""
    for orders, product in enumerate(products, start=1):
        ProductPopularityFactory.create(
            store=store, product=product, score=orders / len(products), orders=orders
        )


class StoreRepeatStatisticsFactory(DjangoModelFactory[StoreRepeatStatistics]):
    """Statistics of repeat and first-time purchases."""

    class Meta:
        model = StoreRepeatStatistics

    repeats = 40
    predicted_hits = 10
    discovery_ratio = 0.25


class RecommendationFactory(DjangoModelFactory[Recommendation]):
    """Logged recommendation results of the home page, without products."""

    class Meta:
        model = Recommendation

    id = factory.LazyFunction(uuid4)
    created_at = factory.LazyFunction(timezone.now)
    scenario = "home"
    model_version = "test"
    products = factory.LazyFunction(lambda: [uuid4()])


class RecommendationFeedbackFactory(DjangoModelFactory[RecommendationFeedback]):
    """Recommended products that were shown."""

    class Meta:
        model = RecommendationFeedback

    recommendation_id = factory.LazyFunction(uuid4)
    product_id = factory.LazyFunction(uuid4)
    kind = RecommendationFeedback.Kind.SHOWN
    scenario = "home"
