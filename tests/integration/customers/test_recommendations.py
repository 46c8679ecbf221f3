"""Recommendations: ranking, personalization, fallbacks, hard filters, rules and explanations."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from catalog.models import Product, Store
from customers.models import (
    BusinessRule,
    CustomerProfile,
    Interaction,
    ProductRepeatStatistics,
    Recommendation,
    Scenario,
)
from customers.recommendations.explain import explain_product
from customers.recommendations.pipeline import recommend
from customers.recommendations.request import RecommendationLookupError, RecommendationRequest
from customers.recommendations.result import (
    FallbackLevel,
    RecommendationResult,
    RecommendedProduct,
)
from customers.recommendations.scoring import DEFAULT_ORDERS_PER_BUYER, SCORING_VERSION
from customers.recommendations.statistics.repeats import DEFAULT_DISCOVERY_RATIO
from customers.services import consents, profiles
from tests.factories.catalog import StoreFactory, StoreStockFactory, create_products
from tests.factories.customers import (
    BusinessRuleFactory,
    CustomerFactory,
    InteractionFactory,
    ProductNeighborFactory,
    ProductPopularityFactory,
    StoreRepeatStatisticsFactory,
    rank_by_popularity,
    record_purchases,
)

pytestmark = pytest.mark.django_db
CONSENTS = ("history", "profiling")


@pytest.fixture
def store() -> Store:
    """A store in Ontario."""
    return StoreFactory.create(code="queen-west")


@pytest.fixture
def products(store: Store) -> list[Product]:
    """Twelve products in stock, in order of increasing popularity."""
    created = create_products(12, store)
    rank_by_popularity(created, store=store)
    return created


def _recommend(
    store: Store | None, customer: CustomerProfile | None = None, **params: object
) -> RecommendationResult:
    customer_id = customer.pk if customer else None
    request = RecommendationRequest(
        **{"scenario": "home", "store": store, "customer": customer_id, **params}  # type: ignore[arg-type]
    )
    return recommend(request)


def _skus(result: RecommendationResult) -> list[str]:
    return [recommendation.product.sku or "" for recommendation in result.recommendations]


def _by_sku(result: RecommendationResult) -> dict[str, RecommendedProduct]:
    return dict(zip(_skus(result), result.recommendations, strict=True))


def test_frequent_and_recent_purchases_rank_first(store: Store, products: list[Product]) -> None:
    customer = CustomerFactory.create(verified=True, consents=CONSENTS)
    record_purchases(customer, products[0], store=store, times=6)
    record_purchases(customer, products[1], store=store, days_ago=200)

    result = _recommend(store, customer)

    first = result.recommendations[0]
    assert first.product == products[0]
    assert first.score_components["repurchase"] > 0
    assert first.reasons[0]["type"] == "previously_purchased"
    assert result.is_personalized
    assert result.fallback_reasons == ("vectors_unavailable",)


def test_co_purchased_products_rank_higher_with_the_purchase_as_reason(
    store: Store, products: list[Product]
) -> None:
    customer = CustomerFactory.create(verified=True, consents=CONSENTS)
    record_purchases(customer, products[0], store=store, times=3)
    rank_before = _skus(_recommend(store, customer)).index("P-4")

    ProductNeighborFactory.create(product=products[0], neighbor=products[4])
    result = _recommend(store, customer)

    co_purchased = _by_sku(result)["P-4"]
    assert _skus(result).index("P-4") < rank_before
    assert co_purchased.score_components["co_purchase"] > 0
    assert {
        reason["similar_to_product_id"]
        for reason in co_purchased.reasons
        if reason["type"] != "new_arrival"
    } == {products[0].pk}


def test_discovery_ratio_and_segment_shares_weigh_co_purchases(
    store: Store, products: list[Product]
) -> None:
    customer = CustomerFactory.create(verified=True, consents=CONSENTS)
    record_purchases(customer, products[0], store=store, times=3)
    indica, sativa = products[3], products[4]  # the purchased product is an indica
    for neighbor in (indica, sativa):
        ProductNeighborFactory.create(product=products[0], neighbor=neighbor)
    default_result = _recommend(store, customer)
    statistics = StoreRepeatStatisticsFactory.create(
        repeats=10,
        predicted_hits=10,
        discovery_ratio=1.0,
        segment_shares={"dried_flower indica": 0.5, "dried_flower sativa": 0.5},
    )

    result = _recommend(store, customer)

    before = {
        sku: product.score_components.get("co_purchase", 0.0)
        for sku, product in _by_sku(default_result).items()
    }
    after = {
        sku: product.score_components.get("co_purchase", 0.0)
        for sku, product in _by_sku(result).items()
    }
    assert default_result.model_version == f"{SCORING_VERSION}.0"
    assert result.model_version == f"{SCORING_VERSION}.{statistics.pk}"
    assert before["P-3"] == before["P-4"]
    ratio_alone = before["P-3"] / DEFAULT_DISCOVERY_RATIO
    assert after["P-3"] > ratio_alone
    assert ratio_alone > after["P-4"]
    assert after["P-4"] > before["P-4"]


def test_repeat_statistics_scale_the_repurchase_score(
    store: Store, products: list[Product]
) -> None:
    customer = CustomerFactory.create(verified=True, consents=CONSENTS)
    for product in products[:2]:
        record_purchases(customer, product, store=store)
    ProductRepeatStatistics.objects.create(product=products[1], repeats=4.0, buyers=9)

    recommended = _by_sku(_recommend(store, customer))

    default = recommended["P-0"].score_components["repurchase"]
    scaled = recommended["P-1"].score_components["repurchase"]
    assert scaled == pytest.approx(default * (4.0 / DEFAULT_ORDERS_PER_BUYER) ** 0.4)


@pytest.mark.parametrize(
    "purposes", [(), ("history",), ("profiling",)], ids=["none", "history", "profiling"]
)
def test_results_are_not_personalized_without_both_consents(
    store: Store, products: list[Product], purposes: tuple[str, ...]
) -> None:
    customer = CustomerFactory.create(verified=True, consents=purposes)
    buyer = customer if "history" in purposes else None
    record_purchases(buyer, products[0], store=store, times=6)

    result = _recommend(store, customer)
    anonymous_result = _recommend(store)

    assert "no_consent" in result.fallback_reasons
    assert result.fallback_level == FallbackLevel.NOT_PERSONALIZED
    assert not result.is_personalized
    assert _skus(result) == _skus(anonymous_result)
    personal_sources = {"repurchase", "co_purchase", "embedding_similarity"}
    assert not any(
        personal_sources & set(recommendation.score_components)
        for recommendation in result.recommendations
    )


def test_withdrawn_consent_applies_immediately(store: Store, products: list[Product]) -> None:
    customer = CustomerFactory.create(verified=True, consents=CONSENTS)
    record_purchases(customer, products[0], store=store, times=6)
    assert _recommend(store, customer).is_personalized

    consents.withdraw_consent(customer=customer, purpose="profiling", by="user:test")

    assert not _recommend(store, customer).is_personalized


def test_customer_without_purchases_gets_best_sellers(
    store: Store, products: list[Product]
) -> None:
    result = _recommend(store, CustomerFactory.create(verified=True, consents=CONSENTS))

    assert "cold_start" in result.fallback_reasons
    assert _skus(result)[0] == "P-11"


def test_store_without_sales_uses_sales_of_all_stores_then_any_stock(
    products: list[Product],
) -> None:
    other_store = StoreFactory.create(code="danforth")
    for product in products[:5]:
        StoreStockFactory.create(store=other_store, product=product)

    without_sales = _recommend(other_store)
    ProductPopularityFactory.create(store=None, product=products[2], orders=3)
    with_sales_elsewhere = _recommend(other_store)

    assert set(_skus(without_sales)) == {f"P-{number}" for number in range(5)}
    assert _skus(with_sales_elsewhere)[0] == "P-2"


def test_without_store_the_stock_of_the_province_counts(products: list[Product]) -> None:
    alberta = StoreFactory.create(code="whyte-ave", province="AB")
    StoreStockFactory.create(store=alberta, product=products[3])

    result = recommend(RecommendationRequest(scenario="home", province="AB"))

    assert _skus(result) == ["P-3"]


def test_product_page_recommends_co_purchases_with_shared_attributes(
    store: Store, products: list[Product]
) -> None:
    ProductNeighborFactory.create(product=products[5], neighbor=products[0])

    result = _recommend(store, scenario="product", products=(products[5].pk,))

    assert _skus(result)[0] == "P-0"
    assert "P-5" not in _skus(result)
    reasons = {reason["type"]: reason for reason in result.recommendations[0].reasons}
    assert reasons["same_brand"]["value"] == "Brand 0"
    assert reasons["same_brand"]["similar_to_product_id"] == products[5].pk
    assert result.fallback_level == FallbackLevel.DEGRADED  # there is no vector index in this test


def test_substitutes_are_in_stock_and_of_the_same_category(
    store: Store, products: list[Product]
) -> None:
    beverage = create_products(1, store, prefix="D", category="beverages")[0]
    for neighbor in (beverage, products[1], products[2]):
        ProductNeighborFactory.create(product=products[0], neighbor=neighbor)
    for sold_out in (products[0], products[2]):
        StoreStockFactory.create(store=store, product=sold_out, quantity=0)

    result = _recommend(store, scenario="substitute", products=(products[0].pk,), limit=3)

    assert _skus(result)[0] == "P-1"
    assert not {"P-0", "P-2", "D-0"} & set(_skus(result))


def test_session_basket_is_complemented_and_ignores_removed_products(
    store: Store, products: list[Product]
) -> None:
    ProductNeighborFactory.create(product=products[0], neighbor=products[3])
    for interaction_type, product in (
        (Interaction.Kind.BASKET_ADD, products[0]),
        (Interaction.Kind.BASKET_ADD, products[7]),
        (Interaction.Kind.BASKET_REMOVE, products[7]),
    ):
        InteractionFactory.create(
            kind=interaction_type, session="session-1", product=product, days_ago=0, customer=None
        )

    result = _recommend(store, scenario="basket", session="session-1")

    assert _skus(result)[0] == "P-3"
    assert "P-0" not in _skus(result)
    assert "P-7" in _skus(result)


def test_without_similar_products_best_sellers_are_shown_with_the_reason(
    store: Store, products: list[Product]
) -> None:
    result = _recommend(store, scenario="product", products=(products[0].pk,))

    assert "no_similar_products" in result.fallback_reasons
    assert result.fallback_level == FallbackLevel.POPULAR
    assert result.recommendations


@pytest.mark.parametrize(
    ("fields", "store_province", "is_allowed"),
    [
        ({"province": "AB"}, "AB", True),
        ({"province": "AB"}, "ON", False),
        ({"province": "ON"}, "QC", False),
        ({"province": "QC"}, "ON", True),
        ({"province": "ON", "is_age_verified": False}, "ON", False),
        ({"province": ""}, "ON", True),
        ({"province": ""}, "QC", False),
    ],
    ids=[
        "18 in Alberta",
        "18 in Ontario",
        "19 in Quebec",
        "21 in Ontario",
        "not verified",
        "19 without a province in Ontario",
        "19 without a province in Quebec",
    ],
)
def test_age_must_be_verified_for_the_province_of_the_store(
    fields: dict[str, object], store_province: str, is_allowed: bool
) -> None:
    store = StoreFactory.create(code=f"in-{store_province.lower()}", province=store_province)
    create_products(3, store)

    result = _recommend(store, CustomerFactory.create(verified=True, **fields))

    assert bool(result.recommendations) is is_allowed
    assert ("age_not_verified" in result.fallback_reasons) is not is_allowed


def test_verification_of_a_higher_age_applies_in_stricter_provinces() -> None:
    quebec = StoreFactory.create(code="sainte-catherine", province="QC")
    create_products(3, quebec)
    customer = CustomerFactory.create(verified=True, province="ON")

    profiles.verify_age(
        customer=customer, verification_method="in_person", by="user:test", verified_age=21
    )

    assert _recommend(quebec, customer).recommendations


def test_verified_age_does_not_increase_with_a_move() -> None:
    quebec = StoreFactory.create(code="sainte-catherine", province="QC")
    create_products(3, quebec)
    customer = CustomerFactory.create(verified=True, province="AB")

    profiles.correct_profile(customer=customer, changes={"province": "QC"}, by="user:test")

    assert _recommend(quebec, customer).fallback_reasons == ("age_not_verified",)


def test_stated_dislikes_and_price_range_apply_without_consent(
    store: Store, products: list[Product]
) -> None:
    customer = CustomerFactory.create(verified=True)
    preferences = {
        "disliked_brands": ["brand 1"],
        "disliked_strain_types": ["sativa"],
        "price_range": [20, 28],
    }

    profiles.correct_profile(customer=customer, changes=preferences, by="user:test")

    assert set(_skus(_recommend(store, customer))) == {"P-0", "P-2", "P-3", "P-5", "P-8"}


def test_active_rules_hide_boost_and_demote(store: Store, products: list[Product]) -> None:
    now = timezone.now()
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    # Whatever the time of day, the rule starts before midnight, when results change anyway.
    starts_at = now + (tomorrow - now) / 2
    rules = {
        "hide": {"action": "hide", "product": products[11]},
        "later": {"action": "hide", "product": products[10], "starts_at": starts_at},
        "over": {"action": "hide", "product": products[9], "ends_at": now - timedelta(hours=1)},
        "demote": {"action": "demote", "product": products[10], "strength": 0.5},
        "boost": {
            "action": "boost",
            "product": products[0],
            "strength": 1,
            "unpaid_note": "not paid for",
        },
    }
    skus_before = _skus(_recommend(store, limit=12))

    for name, fields in rules.items():
        BusinessRuleFactory.create(name=name, **fields)
    result = _recommend(store, limit=12)

    skus = _skus(result)
    assert "P-11" not in skus
    assert skus[0] == "P-9"
    assert skus_before.index("P-10") < skus.index("P-10")
    assert result.valid_until == starts_at
    assert [rule.name for rule in _by_sku(result)["P-10"].rules] == ["demote"]


def test_boost_needs_an_unpaid_note() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        BusinessRule.objects.create(name="paid?", action="boost", brand="X", reason="because")


def test_rule_needs_a_product_criterion() -> None:
    with pytest.raises(ValidationError, match="which products"):
        BusinessRule(name="everything", action="hide", reason="because").full_clean()


def test_products_of_one_brand_are_limited(store: Store) -> None:
    create_products(6, store, prefix="A", brand="Big", price=Decimal(10))
    create_products(3, store, prefix="B", brand="Small")
    for product in Product.objects.all():
        ProductPopularityFactory.create(
            store=store, product=product, score=1 if product.brand == "Big" else 0.5
        )
    Scenario.objects.filter(pk="home").update(max_per_brand=2, diversity=0)

    result = _recommend(store)

    brands = [recommendation.product.brand for recommendation in result.recommendations]
    assert brands.count("Big") == 2


def test_disabled_scenario_returns_no_products_and_the_reason(
    store: Store, products: list[Product]
) -> None:
    Scenario.objects.filter(pk="home").update(is_active=False)

    result = _recommend(store)

    assert result.recommendations == []
    assert result.fallback_reasons == ("scenario_disabled",)
    assert result.fallback_level == FallbackLevel.EMPTY


def test_results_are_recorded_but_previews_are_not(store: Store, products: list[Product]) -> None:
    customer = CustomerFactory.create(verified=True, consents=("history",))
    result = _recommend(store, customer)
    unsaved_scenario = Scenario.objects.get(pk="home")
    unsaved_scenario.popularity = 0
    unsaved_scenario.newness = 1

    recommend(
        RecommendationRequest(scenario="home", store=store),
        scenario=unsaved_scenario,
        record=False,
    )

    recorded = Recommendation.objects.get()
    assert recorded.id == result.id
    assert recorded.customer_id == customer.pk
    assert recorded.store_id == store.pk
    assert recorded.products == [
        recommendation.product.pk for recommendation in result.recommendations
    ]


def test_results_are_recorded_under_a_customer_only_with_history_consent(
    store: Store, products: list[Product]
) -> None:
    _recommend(store, CustomerFactory.create(verified=True, consents=("profiling",)))
    assert Recommendation.objects.get().customer_id is None

    customer = CustomerFactory.create(verified=True, consents=("history",))
    _recommend(store, customer)
    assert Recommendation.objects.filter(customer_id=customer.pk).count() == 1

    consents.withdraw_consent(customer=customer, purpose="history", by="user:test")
    assert not Recommendation.objects.exclude(customer_id=None).exists()


def test_rule_on_a_merged_product_applies_to_the_product_it_was_merged_into(
    store: Store, products: list[Product]
) -> None:
    BusinessRuleFactory.create(name="recall", action="hide", product=products[0], reason="lot 7")

    Product.objects.filter(pk=products[0].pk).update(merged_into=products[11])

    assert "P-11" not in _skus(_recommend(store))


def test_thc_rule_compares_the_upper_end_of_the_label(
    store: Store, products: list[Product]
) -> None:
    Product.objects.filter(pk=products[11].pk).update(
        thc_percentage=27, thc_percentage_low=24, thc_percentage_high=30
    )

    BusinessRuleFactory.create(name="strong", action="hide", min_thc_percentage=Decimal(28))

    assert "P-11" not in _skus(_recommend(store))


def test_reasons_are_in_the_language_of_the_customer(store: Store, products: list[Product]) -> None:
    customer = CustomerFactory.create(verified=True, consents=CONSENTS, language="fr")
    record_purchases(customer, products[0], store=store, times=6)

    result = _recommend(store, customer)

    assert result.recommendations[0].reasons[0]["text"] == "Vous l'avez déjà acheté"


def test_unknown_customer_raises_a_lookup_error(store: Store) -> None:
    with pytest.raises(RecommendationLookupError):
        recommend(RecommendationRequest(scenario="home", store=store, customer=uuid4()))


@pytest.fixture
def request_to_explain(store: Store, products: list[Product]) -> RecommendationRequest:
    """A request in which three products are excluded, each by another filter."""
    customer = CustomerFactory.create(verified=True, consents=CONSENTS)
    record_purchases(customer, products[0], store=store, times=6)
    StoreStockFactory.create(store=store, product=products[1], quantity=0)
    InteractionFactory.create(customer=customer, kind="dislike", product=products[2])
    BusinessRuleFactory.create(
        name="recall", action="hide", product=products[3], reason="lot 7 is called back"
    )
    return RecommendationRequest(scenario="home", store=store, customer=customer.pk, limit=5)


def test_explanation_of_a_recommended_product_has_rank_and_score_components(
    request_to_explain: RecommendationRequest, products: list[Product]
) -> None:
    explanation = explain_product(request_to_explain, product=products[0].pk)

    assert explanation.rank == 1
    assert explanation.blocking_reasons == []
    assert explanation.score_components["repurchase"] > 0


@pytest.mark.parametrize(
    ("number", "blocking_filter", "text"),
    [
        (1, "stock", "Queen West"),
        (2, "dislike", "dislike"),
        (3, "rule", "recall: lot 7 is called back"),
    ],
)
def test_explanation_of_an_excluded_product_names_the_filter(
    request_to_explain: RecommendationRequest,
    products: list[Product],
    number: int,
    blocking_filter: str,
    text: str,
) -> None:
    explanation = explain_product(request_to_explain, product=products[number].pk)

    reasons = [(reason.filter, reason.explanation) for reason in explanation.blocking_reasons]
    assert len(reasons) == 1
    assert reasons[0][0] == blocking_filter
    assert text in reasons[0][1]


def test_explanation_of_a_low_ranked_product_compares_scores(
    request_to_explain: RecommendationRequest, products: list[Product]
) -> None:
    explanation = explain_product(request_to_explain, product=products[4].pk)

    assert explanation.rank is None
    assert explanation.blocking_reasons == []
    assert explanation.score < explanation.min_shown_score


def test_explanation_of_an_unknown_product_raises_a_lookup_error(
    request_to_explain: RecommendationRequest,
) -> None:
    with pytest.raises(RecommendationLookupError):
        explain_product(request_to_explain, product=uuid4())


def test_explanation_says_that_the_age_is_not_verified(
    store: Store, products: list[Product]
) -> None:
    customer = CustomerFactory.create(province="ON")
    request = RecommendationRequest(scenario="home", store=store, customer=customer.pk)

    explanation = explain_product(request, product=products[0].pk)

    assert [reason.filter for reason in explanation.blocking_reasons] == ["age"]
    assert explanation.rank is None
