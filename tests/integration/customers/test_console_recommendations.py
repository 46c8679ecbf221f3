"""Recommendations in the console: scenarios tried before they are saved, rules, why and why not, shelves."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from catalog.models import Product, Store, StoreStock
from customers.models import (
    Interaction,
    PersonalAccess,
    ProductPopularity,
    Recommendation,
    RecommendationFeedback,
    Rule,
    Scenario,
)
from customers.recommendations.filters import facts_of, names
from customers.recommendations.reports import Share, coverage, named_by, reach_of
from customers.recommendations.scoring import DEFAULTS
from customers.services import profiles
from tests.integration.customer_data import person, product

pytestmark = pytest.mark.django_db
RULES = "/console/customers/rule/"
WHY = "/console/customers/scenario/why/"
SHELVES = "/console/customers/productpopularity/shelves/"
RULE = {
    "name": "Less of Acme",
    "deed": "lower",
    "strength": "0.5",
    "reason": "recalled in part",
    "brand": "Acme",
    "starts_at_0": "",
    "starts_at_1": "",
    "ends_at_0": "",
    "ends_at_1": "",
}


@pytest.fixture
def home() -> Scenario:
    """The home page, mixed as shipped."""
    titles = {"title_en": "For you", "title_fr": "Pour vous"}
    made, _ = Scenario.objects.update_or_create(
        name="home", defaults={**titles, **DEFAULTS["home"]}
    )
    return made


@pytest.fixture
def store() -> Store:
    """A shop in Ontario."""
    return Store.objects.create(code="queen-west", name="Queen West", province="ON")


@pytest.fixture
def shelf(store: Store) -> list[Product]:
    """Three products in stock: the first sells best, the last has just come."""
    facts = (("Blue Dream", "Acme", 400), ("Pink Kush", "Bud Co", 300), ("Lemon Haze", "Acme", 1))
    made = []
    for place, (name, brand, days) in enumerate(facts):
        row = product(
            f"S-{place}", name=name, brand=brand, category="dried-flower", created_at=_ago(days)
        )
        row.refresh_from_db()
        StoreStock.objects.create(store=store, product=row, quantity=5)
        made.append(row)
    for row, score in ((made[0], 1.0), (made[1], 0.4)):
        ProductPopularity.objects.create(
            store=store, product=row, score=score, orders=int(50 * score)
        )
    return made


def _ago(days: float) -> Any:
    return timezone.now() - timedelta(days=days)


def _values(scenario: Scenario, **changed: Any) -> dict[str, Any]:
    """The form of a scenario as a browser posts it."""
    told = (
        "title_en",
        "title_fr",
        "again",
        "alike",
        "taste",
        "popular",
        "new",
        "diversity",
        "most_of_a_brand",
    )
    return {name: getattr(scenario, name) for name in told} | {"is_active": "on"} | changed


def _reader(client: Client, *codenames: str) -> User:
    user = User.objects.create_user(f"reader-{uuid4().hex[:6]}", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return user


def _page(client: Client, address: str, told: dict[str, Any] | None = None) -> str:
    answer = client.get(address, told or {})
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_preview_shows_both_answers_and_saves_and_keeps_nothing(
    admin_client: Client, home: Scenario, store: Store, shelf: list[Product]
) -> None:
    change = reverse("admin:customers_scenario_change", args=["home"])
    address = reverse("admin:customers_scenario_preview", args=["home"])
    assert address in _page(admin_client, change)
    told = _values(home, popular="0", new="5") | {"sample-store": str(store.pk)}
    answer = admin_client.post(address, told, headers={"HX-Request": "true"})
    page = answer.content.decode()
    assert "<html" not in page
    now, then = page.split("Would be, unsaved")
    assert now.index("Blue Dream") < now.index("Lemon Haze")
    assert then.index("Lemon Haze") < then.index("Blue Dream")
    assert "↑" in then
    assert "popular" in now
    home.refresh_from_db()
    assert (home.popular, home.new) == (DEFAULTS["home"]["popular"], DEFAULTS["home"]["new"])
    assert not Recommendation.objects.exists()
    assert (
        "<html" in admin_client.post(address, told).content.decode()
    )  # without scripts a page of its own
    assert admin_client.get(address).status_code == 405


def test_a_preview_tells_what_is_wrong_and_why_nothing_fits(
    admin_client: Client, home: Scenario, store: Store, shelf: list[Product]
) -> None:
    address = reverse("admin:customers_scenario_preview", args=["home"])
    wrong = admin_client.post(
        address, _values(home, popular="11") | {"sample-customer": "L-0"}
    ).content.decode()
    assert "less than or equal to 10" in wrong
    assert "Nobody has this number" in wrong
    StoreStock.objects.update(quantity=0)
    empty = admin_client.post(
        address, _values(home) | {"sample-store": str(store.pk)}
    ).content.decode()
    assert empty.count("Nothing fits:") == 2
    assert "filters and rules leave nothing" in empty
    off = admin_client.post(
        address, {n: v for n, v in _values(home).items() if n != "is_active"}
    ).content.decode()
    assert "the scenario is switched off" in off.split("Would be, unsaved")[1]
    somebody = person(number="L-77", province="ON")
    young = admin_client.post(address, _values(home) | {"sample-customer": "L-77"}).content.decode()
    assert "age is not proven" in young
    assert (
        PersonalAccess.objects.get(customer_id=somebody.pk, action="recommendations.preview").actor
        == "user:admin"
    )


def test_a_scenario_notes_who_changed_it_and_is_never_mixed_of_nothing(
    admin_client: Client, admin_user: User, home: Scenario
) -> None:
    change = reverse("admin:customers_scenario_change", args=["home"])
    nothing = admin_client.post(change, _values(home, again=0, alike=0, taste=0, popular=0, new=0))
    assert "Every weight is 0" in nothing.content.decode()
    assert admin_client.post(change, _values(home, popular="2.5")).status_code == 302
    saved = Scenario.objects.get(pk="home")
    assert (saved.popular, saved.updated_by) == (2.5, admin_user)
    assert saved.updated_at > home.updated_at
    assert "popular" in _page(admin_client, "/console/customers/scenario/")
    assert admin_client.get("/console/customers/scenario/add/").status_code == 403
    assert (
        admin_client.post(reverse("admin:customers_scenario_delete", args=["home"])).status_code
        == 403
    )


def test_a_rule_is_written_with_its_author_and_tells_what_it_reaches(
    admin_client: Client, admin_user: User, store: Store, shelf: list[Product]
) -> None:
    Store.objects.create(code="far", name="Far", province="BC")
    assert admin_client.post(f"{RULES}add/", RULE).status_code == 302
    rule = Rule.objects.get()
    assert (rule.author, rule.deed, rule.brand) == (admin_user, "lower", "Acme")
    page = _page(admin_client, f"{RULES}{rule.pk}/change/")
    assert "2 products, in stock in 1 of 2 stores" in " ".join(page.split())
    assert "Lemon Haze" in page
    listed = _page(admin_client, RULES, {"when": "now"})
    assert "Less of Acme" in listed
    assert "Less of Acme" not in _page(admin_client, RULES, {"when": "later"})


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"deed": "raise"}, "nobody pays for it"),
        ({"reason": "  "}, "This field is required"),
        ({"brand": ""}, "Say which products"),
        ({"brand": "Bud Com"}, "Nearly so: Bud Co"),
        ({"ends_at_0": "2026-01-01", "ends_at_1": "10:00"}, "over already"),
        ({"province": "BC"}, "Queen West is in ON"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_at_its_field(
    admin_client: Client, store: Store, shelf: list[Product], changed: dict[str, str], told: str
) -> None:
    answer = admin_client.post(f"{RULES}add/", RULE | {"store": str(store.pk)} | changed)
    assert answer.status_code == 200
    assert told in answer.content.decode()
    assert not Rule.objects.exists()


def test_what_raises_is_written_with_a_note_and_merged_products_are_not_named(
    admin_client: Client, shelf: list[Product]
) -> None:
    noted = RULE | {"deed": "raise", "unpaid_note": "our own choice; no supplier asked"}
    Product.objects.filter(pk=shelf[1].pk).update(merged_into=shelf[0])
    merged = admin_client.post(f"{RULES}add/", noted | {"product": str(shelf[1].pk)})
    assert "merged into Blue Dream" in merged.content.decode()
    assert admin_client.post(f"{RULES}add/", noted).status_code == 302
    assert Rule.objects.get().unpaid_note.startswith("our own choice")


def test_a_rule_is_ended_after_a_question_and_is_a_record_then(
    admin_client: Client, shelf: list[Product]
) -> None:
    rule = Rule.objects.create(
        name="Hide Acme", deed="hide", brand="Acme", reason="recall 12", starts_at=_ago(2)
    )
    later = Rule.objects.create(
        name="Later", deed="hide", brand="Acme", reason="r", starts_at=_ago(-2)
    )
    chosen = {"action": "end_now", "_selected_action": [str(rule.pk), str(later.pk)]}
    asked = admin_client.post(RULES, chosen).content.decode()
    assert "Yes, end them now" in asked
    assert str(later.pk) not in asked
    assert Rule.objects.filter(ends_at=None).count() == 2
    admin_client.post(RULES, chosen | {"confirmed": "yes"})
    rule.refresh_from_db()
    assert rule.ends_at is not None
    assert rule.ends_at <= timezone.now()
    assert Rule.objects.get(pk=later.pk).ends_at is None
    page = _page(admin_client, f"{RULES}{rule.pk}/change/")
    assert "recall 12" in page
    assert 'name="_save"' not in page
    assert admin_client.post(f"{RULES}{rule.pk}/change/", RULE).status_code == 403
    assert admin_client.post(f"{RULES}{rule.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admin_client.post(f"{RULES}{later.pk}/delete/", {"post": "yes"}).status_code == 302
    assert set(Rule.objects.all()) == {rule}
    assert (
        "None of these holds now" in admin_client.post(RULES, chosen, follow=True).content.decode()
    )


def test_once_a_rule_has_begun_its_beginning_stays(
    admin_client: Client, shelf: list[Product]
) -> None:
    rule = Rule.objects.create(
        name="Hide Acme", deed="hide", brand="Acme", reason="recall 12", starts_at=_ago(2)
    )
    soon = {"starts_at_0": "2099-01-01", "starts_at_1": "00:00:00"}
    assert (
        admin_client.post(
            f"{RULES}{rule.pk}/change/", RULE | {"name": "Renamed"} | soon
        ).status_code
        == 302
    )
    changed = Rule.objects.get()
    assert (changed.name, changed.starts_at) == ("Renamed", rule.starts_at)


def test_what_a_rule_names_is_the_same_in_the_console_and_in_answers(
    store: Store, shelf: list[Product]
) -> None:
    Product.objects.filter(pk=shelf[0].pk).update(brand="ACME", thc_percentage=26)
    Product.objects.filter(pk=shelf[2].pk).update(brand="Acme (new)", thc_percentage=None)
    facts = facts_of([row.pk for row in shelf], [store.pk])
    for told in (
        {"brand": "acme"},
        {"brand": "Acme (New)"},
        {"brand": "A.me"},
        {"category": "dried-flower", "least_thc": 20},
        {"least_thc": 25},
        {"product": shelf[1]},
        {"product": shelf[1], "brand": "Acme"},
        {"strain_type": "indica"},
    ):
        rule = Rule(name="r", deed="hide", reason="r", **told)
        assert {row.pk for row in named_by(rule)} == {
            pk for pk, one in facts.items() if names(rule, one)
        }, told
    reach = reach_of(Rule(category="dried-flower", store=store))
    assert (reach.products, reach.stores, reach.of_stores) == (3, 1, 1)


def test_why_tells_place_and_parts_or_what_keeps_a_product_out(
    admin_client: Client, home: Scenario, store: Store, shelf: list[Product]
) -> None:
    somebody = person("history", number="L-88", province="ON")
    profiles.verify_age(customer=somebody, proof="in-person", by="user:test")
    told = {"customer": "L-88", "store": str(store.pk), "scenario": "home"}
    assert "Looking at a customer is noted" in _page(admin_client, WHY)

    def ask(text: str) -> str:
        answer = admin_client.post(WHY, told | {"product": text})
        assert answer.status_code == 200
        return answer.content.decode()

    shown = ask("S-0")
    assert "recommended, in place 1" in shown
    assert "popular" in shown.split("Kept out by")[0]
    rule = Rule.objects.create(
        name="Recall 12", deed="hide", product=shelf[0], reason="lot 7 is mouldy"
    )
    StoreStock.objects.filter(product=shelf[0]).update(quantity=0)
    Interaction.objects.create(
        customer=somebody, product=shelf[0], kind="dislike", occurred_at=timezone.now()
    )
    hidden = ask("Blue Dream")
    assert "It is not recommended: it is kept out." in hidden
    for reason in ("lot 7 is mouldy", rule.name, "out of stock", "Queen West", "they dislike it"):
        assert reason in hidden, reason
    looks = PersonalAccess.objects.filter(
        customer_id=somebody.pk, action="recommendations.why", actor="user:admin"
    )
    assert looks.count() == 2
    assert not Recommendation.objects.exists()


def test_why_finds_products_by_words_numbers_and_ids(
    admin_client: Client, home: Scenario, store: Store, shelf: list[Product]
) -> None:
    product("S-9", name="Pink Lemonade", merge_key="test:S-9")
    told = {"store": str(store.pk), "scenario": "home", "customer": ""}
    several = admin_client.post(WHY, told | {"product": "pink"}).content.decode()
    assert "Which of these?" in several
    assert f"product={shelf[1].pk}" in several
    assert "Pink Kush" in _page(admin_client, WHY, told | {"product": str(shelf[1].pk)})
    Product.objects.filter(pk=shelf[1].pk).update(merged_into=shelf[0])
    assert "Blue Dream" in _page(admin_client, WHY, told | {"product": str(shelf[1].pk)})
    assert "No product is named so" in _page(admin_client, WHY, told | {"product": "zzzzqqqq"})
    assert "Nobody has this number" in _page(
        admin_client, WHY, told | {"product": "S-0", "customer": "L-0"}
    )


def test_shelves_are_empty_at_first(admin_client: Client) -> None:
    page = _page(admin_client, SHELVES)
    for told in (
        "No sales are counted",
        "Nothing is in stock",
        "Nothing was recommended",
        "Nothing was told",
    ):
        assert told in page


def test_shelves_show_sales_coverage_levels_and_clicks_of_a_store(
    admin_client: Client, store: Store, shelf: list[Product]
) -> None:
    made = [(0, [shelf[0], shelf[1]], 1), (2, [shelf[0]], 1), (0, [shelf[2]], 20)]
    for level, products, days in made:
        ids = [row.pk for row in products]
        Recommendation.objects.create(
            scenario="home",
            store_id=store.pk,
            model_version="m",
            fallback_level=level,
            products=ids,
            made_at=_ago(days),
        )
    elsewhere = Store.objects.create(code="far", name="Far", province="BC")
    Recommendation.objects.create(
        scenario="home",
        store_id=elsewhere.pk,
        model_version="m",
        products=[shelf[2].pk],
        made_at=_ago(1),
    )
    for kind, products in (("shown", shelf[:2]), ("clicked", shelf[:1])):
        for row in products:
            told = {
                "recommendation_id": uuid4(),
                "product_id": row.pk,
                "scenario": "home",
                "store_id": store.pk,
            }
            RecommendationFeedback.objects.create(kind=kind, **told)
    assert coverage(store=store, since=_ago(7)) == [Share("dried-flower", 2, 3)]
    assert coverage(store=store, since=_ago(30)) == [Share("dried-flower", 3, 3)]
    assert coverage(store=None, since=_ago(7)) == [Share("dried-flower", 3, 3)]
    assert coverage(store=elsewhere, since=_ago(7)) == []
    with CaptureQueriesContext(
        connection,
    ) as queries:
        page = " ".join(_page(admin_client, SHELVES, {"store": str(store.pk), "span": "7"}).split())
    assert len(queries) <= 10
    assert page.index("Blue Dream") < page.index("Pink Kush")
    assert "2 of 3 products in stock were in an answer of the last 7 days" in page
    assert "2: not personal" in page
    assert "50.0" in page
    assert "3 of 3 products" in " ".join(
        _page(admin_client, SHELVES, {"store": str(store.pk), "span": "30"}).split()
    )


def test_pages_are_for_those_who_may(
    client: Client, home: Scenario, store: Store, shelf: list[Product]
) -> None:
    rule = Rule.objects.create(name="Hide Acme", deed="hide", brand="Acme", reason="recall 12")
    preview = reverse("admin:customers_scenario_preview", args=["home"])
    pages = [
        RULES,
        f"{RULES}{rule.pk}/change/",
        WHY,
        SHELVES,
        reverse("admin:customers_scenario_change", args=["home"]),
    ]
    _reader(client)
    assert {client.get(page).status_code for page in pages} == {403}
    _reader(client, "view_rule", "view_scenario", "view_productpopularity")
    assert {client.get(page).status_code for page in pages} == {200}
    assert client.post(preview, _values(home)).status_code == 403
    assert client.post(f"{RULES}add/", RULE).status_code == 403
    client.post(
        RULES, {"action": "end_now", "_selected_action": [str(rule.pk)], "confirmed": "yes"}
    )
    assert Rule.objects.get().ends_at is None
    person(number="L-99")
    asked = {"customer": "L-99", "scenario": "home", "product": "S-0"}
    assert "You may not look at customers" in client.post(WHY, asked).content.decode()
    assert not PersonalAccess.objects.filter(action="recommendations.why").exists()
    _reader(client, "view_rule", "change_rule", "view_scenario", "change_scenario")
    assert client.post(preview, _values(home)).status_code == 200
    client.post(
        RULES, {"action": "end_now", "_selected_action": [str(rule.pk)], "confirmed": "yes"}
    )
    assert Rule.objects.get().ends_at is not None


def test_pages_ask_the_database_a_few_times_only(
    admin_client: Client, home: Scenario, store: Store, shelf: list[Product]
) -> None:
    rule = Rule.objects.create(name="Hide Acme", deed="hide", brand="Acme", reason="recall 12")
    for number in range(20):
        Rule.objects.create(
            name=f"Rule {number}", deed="hide", product=shelf[0], store=store, reason="r"
        )
    scenario = reverse("admin:customers_scenario_change", args=["home"])
    listed = "/console/customers/scenario/", "/console/customers/productpopularity/", RULES
    for address in (*listed, scenario, f"{RULES}{rule.pk}/change/", f"{RULES}add/", WHY):
        with CaptureQueriesContext(connection) as queries:
            _page(admin_client, address)
        assert len(queries) <= 12, address
