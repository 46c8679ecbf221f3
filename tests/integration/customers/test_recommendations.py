"""What is recommended to whom, why, and how it falls back."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from catalog.models import Product, Store
from customers.models import (
    Interaction,
    ProductHabit,
    ProductNeighbor,
    ProductPopularity,
    Recommendation,
    Rule,
    Scenario,
    ShopHabits,
)
from customers.recommendations.explain import judge
from customers.recommendations.pipeline import recommend
from customers.recommendations.request import Question, Unknown
from customers.recommendations.result import Answer
from customers.recommendations.scoring import ORDERS_OF_A_BUYER, VERSION
from customers.recommendations.statistics.repeats import ODDS_BEFORE
from customers.services import consents, profiles
from tests.integration import customer_data, store_data

pytestmark = pytest.mark.django_db


@pytest.fixture
def store() -> Store:
    """A store in Ontario."""
    return store_data.store()


@pytest.fixture
def shelf(store: Store) -> list[Product]:
    """Twelve products on its shelves; the later ones sell better."""
    made = store_data.products(12, store)
    for number, one in enumerate(made):
        ProductPopularity.objects.create(
            store=store, product=one, score=(number + 1) / 12, orders=number + 1
        )
    return made


def _ask(store: Store | None, customer: object = None, **asked: object) -> Answer:
    pk = getattr(customer, "pk", None)
    return recommend(Question(**{"scenario": "home", "store": store, "customer": pk, **asked}))  # type: ignore[arg-type]


def _shown(answer: Answer) -> list[str]:
    return [pick.product.sku or "" for pick in answer.picks]


def test_what_was_bought_often_and_lately_comes_first(store: Store, shelf: list[Product]) -> None:
    customer = store_data.shopper("history", "profiling")
    store_data.bought(customer, shelf[0], where=store, times=6)
    store_data.bought(customer, shelf[1], where=store, days=200)
    answer = _ask(store, customer)
    assert _shown(answer)[0] == "P-0"
    assert (answer.is_personal, answer.why) == (True, ("vectors-silent",))
    assert answer.picks[0].parts["again"] > 0
    assert answer.picks[0].reasons[0]["kind"] == "bought_before"


def test_bought_together_comes_with_what_was_bought(store: Store, shelf: list[Product]) -> None:
    customer = store_data.shopper("history", "profiling")
    store_data.bought(customer, shelf[0], where=store, times=3)
    before = _shown(_ask(store, customer)).index("P-4")
    ProductNeighbor.objects.create(product=shelf[0], neighbor=shelf[4], score=0.9, buyers=9)
    pick = _ask(store, customer).picks[_shown(_ask(store, customer)).index("P-4")]
    assert _shown(_ask(store, customer)).index("P-4") < before
    assert pick.parts["alike"] > 0
    assert {reason["like"] for reason in pick.reasons if reason["kind"] != "new"} == {shelf[0].pk}


def test_the_shops_habits_weigh_what_is_alike(store: Store, shelf: list[Product]) -> None:
    customer = store_data.shopper("history", "profiling")
    store_data.bought(customer, shelf[0], where=store, times=3)
    for near in (shelf[3], shelf[4]):  # an indica, as the first is, and a sativa
        ProductNeighbor.objects.create(product=shelf[0], neighbor=near, score=0.9, buyers=9)

    def alike() -> dict[str, float]:
        return {
            str(pick.product.sku): pick.parts["alike"]
            for pick in _ask(store, customer).picks
            if "alike" in pick.parts
        }

    before = alike()
    assert _ask(store, customer).model_version == f"{VERSION}.0"
    assert before["P-3"] == before["P-4"]
    shares = {"dried-flower indica": 0.5, "dried-flower sativa": 0.5}
    counted = ShopHabits.objects.create(repeats=10, foretold=10, odds=1.0, shares=shares)
    after = alike()
    assert _ask(store, customer).model_version == f"{VERSION}.{counted.pk}"
    assert after["P-3"] > before["P-3"] / ODDS_BEFORE > after["P-4"] > before["P-4"]


def test_what_its_buyers_buy_often_is_likelier_bought_again(
    store: Store, shelf: list[Product]
) -> None:
    customer = store_data.shopper("history", "profiling")
    for one in shelf[:2]:
        store_data.bought(customer, one, where=store)
    ProductHabit.objects.create(product=shelf[1], repeats=4.0, buyers=9)
    again = {pick.product.sku: pick.parts.get("again") for pick in _ask(store, customer).picks}
    assert again["P-1"] == pytest.approx(again["P-0"] * (4.0 / ORDERS_OF_A_BUYER) ** 0.4)


@pytest.mark.parametrize(
    ("purposes", "why"),
    [((), "no-consent"), (("history",), "no-consent"), (("profiling",), "no-consent")],
    ids=["nothing", "history", "profiling"],
)
def test_without_both_consents_nothing_is_personal(
    store: Store, shelf: list[Product], purposes: tuple[str, ...], why: str
) -> None:
    customer = store_data.shopper(*purposes)
    store_data.bought(customer if "history" in purposes else None, shelf[0], where=store, times=6)
    answer, anybody = _ask(store, customer), _ask(store)
    assert why in answer.why
    assert (answer.level, answer.is_personal) == (2, False)
    assert _shown(answer) == _shown(anybody)
    assert not [pick for pick in answer.picks if {"again", "alike", "taste"} & set(pick.parts)]


def test_a_withdrawn_consent_holds_at_once(store: Store, shelf: list[Product]) -> None:
    customer = store_data.shopper("history", "profiling")
    store_data.bought(customer, shelf[0], where=store, times=6)
    assert _ask(store, customer).is_personal
    consents.withdraw(customer=customer, purpose="profiling", by="user:test")
    assert not _ask(store, customer).is_personal


def test_whoever_has_bought_nothing_gets_what_sells(store: Store, shelf: list[Product]) -> None:
    answer = _ask(store, store_data.shopper("history", "profiling"))
    assert "cold-start" in answer.why
    assert _shown(answer)[0] == "P-11"


def test_a_store_without_sales_gets_what_sells_elsewhere_and_then_whatever_it_has(
    shelf: list[Product],
) -> None:
    other = store_data.store("danforth")
    for one in shelf[:5]:
        store_data.on_shelf(other, one)
    assert set(_shown(_ask(other))) == {f"P-{number}" for number in range(5)}
    ProductPopularity.objects.create(store=None, product=shelf[2], score=1, orders=3)
    assert _shown(_ask(other))[0] == "P-2"


def test_without_a_store_the_province_counts(shelf: list[Product]) -> None:
    west = store_data.store("whyte-ave", "AB")
    store_data.on_shelf(west, shelf[3])
    answer = recommend(Question(scenario="home", province="AB"))
    assert _shown(answer) == ["P-3"]


def test_a_product_page_shows_what_goes_with_it_and_why(store: Store, shelf: list[Product]) -> None:
    ProductNeighbor.objects.create(product=shelf[5], neighbor=shelf[0], score=0.9, buyers=9)
    answer = _ask(store, scenario="product", products=(shelf[5].pk,))
    assert _shown(answer)[0] == "P-0"
    assert "P-5" not in _shown(answer)
    reasons = {reason["kind"]: reason for reason in answer.picks[0].reasons}
    assert reasons["same_brand"]["value"] == "Brand 0"
    assert reasons["same_brand"]["like"] == shelf[5].pk
    assert answer.level == 1  # no vectors here


def test_a_substitute_is_of_the_same_category_and_in_stock(
    store: Store, shelf: list[Product]
) -> None:
    drink = store_data.products(1, store, prefix="D", category="beverages")[0]
    store_data.on_shelf(store, shelf[0], 0)
    for one in (drink, shelf[1], shelf[2]):
        ProductNeighbor.objects.create(product=shelf[0], neighbor=one, score=0.9, buyers=9)
    store_data.on_shelf(store, shelf[2], 0)
    answer = _ask(store, scenario="substitute", products=(shelf[0].pk,), limit=3)
    assert _shown(answer)[0] == "P-1"
    assert not {"P-0", "P-2", "D-0"} & set(_shown(answer))


def test_a_basket_of_a_visit_is_answered_with_what_goes_with_it(
    store: Store, shelf: list[Product]
) -> None:
    ProductNeighbor.objects.create(product=shelf[0], neighbor=shelf[3], score=0.9, buyers=9)
    for kind, one in (
        ("basket-add", shelf[0]),
        ("basket-add", shelf[7]),
        ("basket-remove", shelf[7]),
    ):
        Interaction.objects.create(
            kind=kind, session="visit-1", product=one, occurred_at=timezone.now()
        )
    answer = _ask(store, scenario="basket", session="visit-1")
    assert _shown(answer)[0] == "P-3"
    assert "P-0" not in _shown(answer)
    assert "P-7" in _shown(answer)


def test_nothing_alike_is_said_and_what_sells_is_shown(store: Store, shelf: list[Product]) -> None:
    answer = _ask(store, scenario="product", products=(shelf[0].pk,))
    assert "nothing-alike" in answer.why
    assert answer.level == 3
    assert answer.picks


@pytest.mark.parametrize(
    ("facts", "place", "is_shown"),
    [
        ({"province": "AB"}, "AB", True),
        ({"province": "AB"}, "ON", False),
        ({"province": "ON"}, "QC", False),
        ({"province": "QC"}, "ON", True),
        ({"province": "ON", "is_of_age": False}, "ON", False),
        ({"province": ""}, "ON", False),
    ],
    ids=[
        "18 in Alberta",
        "18 in Ontario",
        "19 in Quebec",
        "21 in Ontario",
        "unproven",
        "proven somewhere",
    ],
)
def test_age_is_proven_for_the_province(
    facts: dict[str, object], place: str, is_shown: bool
) -> None:
    where = store_data.store(f"in-{place.lower()}", place)
    store_data.products(3, where)
    answer = _ask(where, store_data.shopper(**facts))  # type: ignore[arg-type]
    assert bool(answer.picks) is is_shown
    assert ("age-not-proven" in answer.why) is not is_shown


def test_a_proof_of_a_higher_age_holds_where_it_is_needed() -> None:
    quebec = store_data.store("sainte-catherine", "QC")
    store_data.products(3, quebec)
    customer = store_data.shopper(province="ON")
    profiles.verify_age(customer=customer, proof="in-person", by="user:test", age=21)
    assert _ask(quebec, customer).picks


def test_stated_dislikes_and_prices_hold_without_any_consent(
    store: Store, shelf: list[Product]
) -> None:
    customer = store_data.shopper()
    changes = {
        "disliked_brands": ["brand 1"],
        "disliked_strain_types": ["sativa"],
        "price_range": [20, 28],
    }
    profiles.correct(customer=customer, changes=changes, by="user:test")
    assert set(_shown(_ask(store, customer))) == {"P-0", "P-2", "P-3", "P-5", "P-8"}


def test_rules_hide_raise_and_lower_while_they_hold(store: Store, shelf: list[Product]) -> None:
    now = timezone.now()
    rules = {
        "hide": {"deed": "hide", "product": shelf[11]},
        "later": {"deed": "hide", "product": shelf[10], "starts_at": now + timedelta(hours=1)},
        "over": {"deed": "hide", "product": shelf[9], "ends_at": now - timedelta(hours=1)},
        "lower": {"deed": "lower", "product": shelf[10], "strength": 0.5},
        "raise": {
            "deed": "raise",
            "product": shelf[0],
            "strength": 1,
            "unpaid_note": "nobody pays",
        },
    }
    before = _shown(_ask(store, limit=12))
    for name, facts in rules.items():
        Rule.objects.create(name=name, reason="a test", **facts)
    answer = _ask(store, limit=12)
    assert "P-11" not in _shown(answer)
    assert _shown(answer)[0] == "P-9"
    assert before.index("P-10") < _shown(answer).index("P-10")
    assert answer.until == now + timedelta(hours=1)
    assert [
        rule.name for pick in answer.picks if pick.product.sku == "P-10" for rule in pick.rules
    ] == ["lower"]


def test_a_booster_needs_a_note_and_a_rule_names_products() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Rule.objects.create(name="paid?", deed="raise", brand="X", reason="because")
    with pytest.raises(ValidationError, match="which products"):
        Rule(name="everything", deed="hide", reason="because").full_clean()


def test_brands_take_turns(store: Store) -> None:
    store_data.products(6, store, prefix="A", brand="Big", price=Decimal(10))
    store_data.products(3, store, prefix="B", brand="Small")
    for one in Product.objects.all():
        ProductPopularity.objects.create(
            store=store, product=one, score=1 if one.brand == "Big" else 0.5, orders=1
        )
    Scenario.objects.filter(pk="home").update(most_of_a_brand=2, diversity=0)
    assert [pick.product.brand for pick in _ask(store).picks].count("Big") == 2


def test_a_scenario_that_is_off_says_so(store: Store, shelf: list[Product]) -> None:
    Scenario.objects.filter(pk="home").update(is_active=False)
    answer = _ask(store)
    assert (answer.picks, answer.why, answer.level) == ([], ("scenario-off",), 4)


def test_answers_are_noted_and_previews_are_not(store: Store, shelf: list[Product]) -> None:
    customer = store_data.shopper("history")
    answer = _ask(store, customer)
    kept = Recommendation.objects.get()
    assert (kept.id, kept.customer_id, kept.store_id) == (answer.id, customer.pk, store.pk)
    assert kept.products == [pick.product.pk for pick in answer.picks]
    scenario = Scenario.objects.get(pk="home")
    scenario.popular, scenario.new = 0, 1
    recommend(Question(scenario="home", store=store), scenario=scenario, is_kept=False)
    assert Recommendation.objects.count() == 1


def test_whose_an_answer_was_is_noted_only_of_those_whose_history_is_kept(
    store: Store, shelf: list[Product]
) -> None:
    _ask(store, store_data.shopper("profiling"))
    assert Recommendation.objects.get().customer_id is None
    customer = store_data.shopper("history")
    _ask(store, customer)
    assert Recommendation.objects.filter(customer_id=customer.pk).count() == 1
    consents.withdraw(customer=customer, purpose="history", by="user:test")
    assert not Recommendation.objects.exclude(customer_id=None).exists()


def test_a_proof_of_age_does_not_grow_with_a_move() -> None:
    quebec = store_data.store("sainte-catherine", "QC")
    store_data.products(3, quebec)
    customer = store_data.shopper(province="AB")
    profiles.correct(customer=customer, changes={"province": "QC"}, by="user:test")
    assert _ask(quebec, customer).why == ("age-not-proven",)


def test_a_rule_on_a_product_holds_for_what_it_was_merged_into(
    store: Store, shelf: list[Product]
) -> None:
    Rule.objects.create(name="recall", deed="hide", product=shelf[0], reason="lot 7")
    Product.objects.filter(pk=shelf[0].pk).update(merged_into=shelf[11])
    assert "P-11" not in _shown(_ask(store))


def test_a_rule_on_thc_reads_the_upper_end_of_the_label(store: Store, shelf: list[Product]) -> None:
    Product.objects.filter(pk=shelf[11].pk).update(
        thc_percentage=27, thc_percentage_low=24, thc_percentage_high=30
    )
    Rule.objects.create(name="strong", deed="hide", least_thc=Decimal(28), reason="a test")
    assert "P-11" not in _shown(_ask(store))


def test_the_language_is_the_persons(store: Store, shelf: list[Product]) -> None:
    customer = store_data.shopper("history", "profiling", language="fr")
    store_data.bought(customer, shelf[0], where=store, times=6)
    assert _ask(store, customer).picks[0].reasons[0]["text"] == "Vous l'avez déjà acheté"


def test_nobody_has_this_id(store: Store) -> None:
    with pytest.raises(Unknown):
        recommend(Question(scenario="home", store=store, customer=uuid4()))


@pytest.fixture
def judged(store: Store, shelf: list[Product]) -> Question:
    """A question with something in the way of most products."""
    customer = store_data.shopper("history", "profiling")
    store_data.bought(customer, shelf[0], where=store, times=6)
    store_data.on_shelf(store, shelf[1], 0)
    store_data.acted(customer, "dislike", shelf[2])
    Rule.objects.create(name="recall", deed="hide", product=shelf[3], reason="lot 7 is called back")
    return Question(scenario="home", store=store, customer=customer.pk, limit=5)


def test_why_and_why_not(judged: Question, shelf: list[Product]) -> None:
    best = judge(judged, product=shelf[0].pk)
    assert (best.place, best.blocked) == (1, [])
    assert best.parts["again"] > 0
    why = {
        number: [(one.filter, one.why) for one in judge(judged, product=shelf[number].pk).blocked]
        for number in (1, 2, 3)
    }
    assert why[1] == [("stock", "not in stock in Queen-West")]
    assert why[2] == [("dislike", "they dislike it")]
    assert why[3] == [("rule", "rule recall: lot 7 is called back")]
    low = judge(judged, product=shelf[4].pk)
    assert (low.place, low.blocked) == (None, [])
    assert low.score < low.least_score
    with pytest.raises(Unknown):
        judge(judged, product=uuid4())


def test_whom_nothing_may_be_shown_is_told_why(store: Store, shelf: list[Product]) -> None:
    customer = customer_data.person(province="ON")
    verdict = judge(
        Question(scenario="home", store=store, customer=customer.pk), product=shelf[0].pk
    )
    assert [one.filter for one in verdict.blocked] == ["age"]
    assert verdict.place is None
