"""Recommendations in the console: scenarios and previews, rules, explanations, assortment."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.core.exceptions import NON_FIELD_ERRORS
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from catalog.models import Product, Store, StoreStock
from catalog.services.undo import UndoRefused, undo_operation
from customers.admin.assortment import FALLBACK_LEVEL_LABELS
from customers.admin.explain import CANDIDATE_SOURCES, ScoreComponent
from customers.models import (
    BusinessRule,
    PersonalAccess,
    Recommendation,
    Scenario,
)
from customers.recommendations import FallbackLevel
from customers.recommendations.product_facts import load_product_facts
from customers.recommendations.reports import (
    Proportion,
    category_coverage,
    products_matching_rule,
    rule_reach,
)
from customers.recommendations.rules import matches_rule
from customers.reference.weights import DEFAULT_WEIGHTS
from customers.services import profiles
from customers.services.rules import end_rules
from customers.services.scenarios import save_scenario
from mlops.models import Operation
from tests.factories.catalog import ProductFactory, StoreFactory, StoreStockFactory
from tests.factories.customers import (
    BusinessRuleFactory,
    CustomerFactory,
    InteractionFactory,
    ProductPopularityFactory,
    RecommendationFactory,
    RecommendationFeedbackFactory,
)
from tests.integration.console import message_levels

pytestmark = pytest.mark.django_db
RULES_URL = "/console/customers/businessrule/"
SCENARIOS_URL = "/console/customers/scenario/"
EXPLAIN_URL = "/console/customers/scenario/explain/"
ASSORTMENT_URL = "/console/customers/productpopularity/assortment/"
SCENARIO_URL = "/console/customers/scenario/home/change/"
PREVIEW_URL = "/console/customers/scenario/home/preview/"
RULE_FORM = {
    "name": "Less of Acme",
    "action": "demote",
    "strength": "0.5",
    "reason": "recalled in part",
    "brand": "Acme",
    "starts_at_0": "",
    "starts_at_1": "",
    "ends_at_0": "",
    "ends_at_1": "",
}
_SCENARIO_FIELDS = (
    "title_en",
    "title_fr",
    "repurchase",
    "co_purchase",
    "embedding_similarity",
    "popularity",
    "newness",
    "diversity",
    "max_per_brand",
)


@pytest.fixture
def home() -> Scenario:
    """The home page scenario with its default weights."""
    titles = {"title_en": "For you", "title_fr": "Pour vous"}
    scenario, _ = Scenario.objects.update_or_create(
        name="home", defaults={**titles, **DEFAULT_WEIGHTS["home"]}
    )
    return scenario


@pytest.fixture
def store() -> Store:
    """A store in Ontario."""
    return StoreFactory.create(code="queen-west")


@pytest.fixture
def products(store: Store) -> list[Product]:
    """Three products in stock: the first sells best, the last is new."""
    names = (("Blue Dream", "Acme", 400), ("Pink Kush", "Bud Co", 300), ("Lemon Haze", "Acme", 1))
    created = []
    for number, (name, brand, age_days) in enumerate(names):
        product = ProductFactory.create(
            sku=f"S-{number}",
            name=name,
            brand=brand,
            category="dried_flower",
            created_at=_days_ago(age_days),
        )
        product.refresh_from_db()
        StoreStockFactory.create(store=store, product=product)
        created.append(product)
    for product, score in ((created[0], 1.0), (created[1], 0.4)):
        ProductPopularityFactory.create(
            store=store, product=product, score=score, orders=int(50 * score)
        )
    return created


def _days_ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


def _scenario_form(scenario: Scenario, **changes: Any) -> dict[str, Any]:
    """Return the form of a scenario as a browser posts it."""
    values = {name: getattr(scenario, name) for name in _SCENARIO_FIELDS}
    return values | {"is_active": "on"} | changes


def _create_rule(**fields: Any) -> BusinessRule:
    defaults = {"name": "Hide Acme", "action": "hide", "brand": "Acme", "reason": "recall 12"}
    return BusinessRuleFactory.create(**{**defaults, **fields})


def _log_in_with_permissions(client: Client, *codenames: str) -> User:
    user = User.objects.create_user(f"reader-{uuid4().hex[:6]}", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return user


def _get(client: Client, url: str, params: dict[str, Any] | None = None) -> str:
    """Return the page with whitespace collapsed."""
    response = client.get(url, params or {})
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def _post(client: Client, url: str, values: dict[str, Any]) -> str:
    response = client.post(url, values)
    assert response.status_code == 200
    return response.content.decode()


def _page(response: Any) -> Any:
    """Return the context of a page."""
    assert response.status_code == 200
    return response.context


def _compared_names(result: dict[str, Any]) -> list[str]:
    """Return the names of the products of a previewed result, the best first."""
    return [row.recommendation.product.name for row in result["rows"]]


def _labels(components: list[ScoreComponent]) -> set[object]:
    return {component.label for component in components}


def test_preview_compares_saved_and_unsaved_weights_without_saving(
    admin_client: Client, home: Scenario, store: Store, products: list[Product]
) -> None:
    form = _scenario_form(home, popularity="0", newness="5") | {"sample-store": str(store.pk)}

    response = admin_client.post(PREVIEW_URL, form, headers={"HX-Request": "true"})

    saved, unsaved = _page(response)["results"]
    assert "<html" not in response.content.decode()
    assert _compared_names(saved).index("Blue Dream") < _compared_names(saved).index("Lemon Haze")
    assert _compared_names(unsaved)[0] == "Lemon Haze"
    assert unsaved["rows"][0].ranks_gained > 0
    assert CANDIDATE_SOURCES["popularity"][0] in _labels(saved["rows"][0].components)
    home.refresh_from_db()
    assert home.popularity == DEFAULT_WEIGHTS["home"]["popularity"]
    assert home.newness == DEFAULT_WEIGHTS["home"]["newness"]
    assert not Recommendation.objects.exists()


def test_preview_is_reachable_from_the_scenario_and_works_without_javascript(
    admin_client: Client, home: Scenario, store: Store, products: list[Product]
) -> None:
    assert PREVIEW_URL in _get(admin_client, SCENARIO_URL)
    assert "<html" in _post(admin_client, PREVIEW_URL, _scenario_form(home))
    assert admin_client.get(PREVIEW_URL).status_code == 405


def test_preview_reports_invalid_values(
    admin_client: Client, home: Scenario, products: list[Product]
) -> None:
    form = _scenario_form(home, popularity="11") | {"sample-customer": "L-0"}

    page = _page(admin_client.post(PREVIEW_URL, form))

    scenario_form, request_form = page["forms"]
    assert set(scenario_form.errors) == {"popularity"}
    assert set(request_form.errors) == {"customer"}
    assert "results" not in page


def test_preview_gives_the_reason_for_an_empty_result(
    admin_client: Client, home: Scenario, store: Store, products: list[Product]
) -> None:
    StoreStock.objects.update(quantity=0)
    form = _scenario_form(home)
    form_switched_off = {name: value for name, value in form.items() if name != "is_active"}

    sold_out = admin_client.post(PREVIEW_URL, form | {"sample-store": str(store.pk)})
    switched_off = admin_client.post(PREVIEW_URL, form_switched_off)

    for compared in _page(sold_out)["results"]:
        assert compared["rows"] == []
        assert "no_eligible_products" in compared["result"].fallback_reasons
    unsaved = _page(switched_off)["results"][1]
    assert unsaved["result"].fallback_reasons == ("scenario_disabled",)
    assert unsaved["fallback_reasons"] in switched_off.content.decode()


def test_preview_for_a_customer_applies_their_age_and_is_logged(
    admin_client: Client, home: Scenario, products: list[Product]
) -> None:
    customer = CustomerFactory.create(external_id="L-77", province="ON")

    form = _scenario_form(home) | {"sample-customer": "L-77"}

    results = _page(admin_client.post(PREVIEW_URL, form))["results"]

    assert {each["result"].fallback_reasons for each in results} == {("age_not_verified",)}
    access = PersonalAccess.objects.get(customer_id=customer.pk, action="recommendations.preview")
    assert access.actor == "user:admin"


def test_scenario_change_records_its_author(
    admin_client: Client, admin_user: User, home: Scenario
) -> None:
    form = _scenario_form(home, popularity="2.5")

    response = admin_client.post(SCENARIO_URL, form)

    saved = Scenario.objects.get(pk="home")
    assert response.status_code == 302
    assert saved.popularity == 2.5
    assert saved.updated_by == admin_user
    assert saved.updated_at > home.updated_at


def test_scenario_change_is_an_operation_that_names_the_changed_fields(
    admin_client: Client, admin_user: User, home: Scenario
) -> None:
    admin_client.post(SCENARIO_URL, _scenario_form(home, popularity="2.5", title_en="Picks"))

    recorded = Operation.objects.get()
    assert recorded.kind == Operation.Kind.EDIT
    assert recorded.actor == admin_user
    assert recorded.reason == "scenario home: title_en, popularity"


def test_scenario_saved_without_a_change_is_no_operation(
    admin_client: Client, home: Scenario
) -> None:
    response = admin_client.post(SCENARIO_URL, _scenario_form(home))

    home.refresh_from_db()
    assert response.status_code == 302
    assert home.updated_by is None
    assert not Operation.objects.exists()


def test_scenario_change_leaves_fields_that_another_user_changed_meanwhile(
    admin_user: User, home: Scenario
) -> None:
    home.popularity = 2.5
    Scenario.objects.filter(pk="home").update(newness=3)

    save_scenario(scenario=home, changed_fields=["popularity"], by=admin_user)

    saved = Scenario.objects.get(pk="home")
    assert saved.popularity == 2.5
    assert saved.newness == 3


def test_active_scenario_needs_a_weight(admin_client: Client, home: Scenario) -> None:
    without_weights = dict.fromkeys(
        ("repurchase", "co_purchase", "embedding_similarity", "popularity", "newness"), 0
    )

    page = _page(admin_client.post(SCENARIO_URL, _scenario_form(home, **without_weights)))

    assert set(page["adminform"].form.errors) == {NON_FIELD_ERRORS}
    assert Scenario.objects.get(pk="home").popularity == home.popularity > 0


def test_scenarios_cannot_be_added_or_deleted(admin_client: Client, home: Scenario) -> None:
    delete_url = reverse("admin:customers_scenario_delete", args=["home"])

    assert admin_client.get(f"{SCENARIOS_URL}add/").status_code == 403
    assert admin_client.post(delete_url).status_code == 403


def test_rule_gets_its_author_and_shows_its_reach(
    admin_client: Client, admin_user: User, store: Store, products: list[Product]
) -> None:
    StoreFactory.create(code="far", province="BC")

    response = admin_client.post(f"{RULES_URL}add/", RULE_FORM)

    rule = BusinessRule.objects.get()
    reach = _page(admin_client.get(f"{RULES_URL}{rule.pk}/change/"))["reach"]
    assert response.status_code == 302
    assert rule.author == admin_user
    assert rule.action == "demote"
    assert rule.brand == "Acme"
    assert reach.product_count == 2
    assert (reach.stocking_store_count, reach.store_count) == (1, 2)
    assert {product.name for product in reach.examples} == {"Blue Dream", "Lemon Haze"}


def test_rule_changes_are_operations_with_actor_and_reason(
    admin_client: Client, admin_user: User, products: list[Product]
) -> None:
    admin_client.post(f"{RULES_URL}add/", RULE_FORM)
    rule = BusinessRule.objects.get()
    url = f"{RULES_URL}{rule.pk}/change/"
    admin_client.post(url, RULE_FORM | {"strength": "0.8", "category": "dried_flower"})
    end_now = {"action": "end_now", "_selected_action": [str(rule.pk)], "confirmed": "yes"}
    admin_client.post(RULES_URL, end_now)

    recorded = Operation.objects.order_by("started_at")
    rule.refresh_from_db()
    assert rule.strength == 0.8
    assert rule.author == admin_user
    assert {each.actor for each in recorded} == {admin_user}
    assert [(each.kind, each.reason) for each in recorded] == [
        ("edit", "rule Less of Acme, new: recalled in part"),
        ("edit", "rule Less of Acme: strength, category"),
        ("bulk_edit", "rules ended: Less of Acme"),
    ]


def test_deletion_of_a_scheduled_rule_is_an_operation(
    admin_client: Client, admin_user: User
) -> None:
    scheduled = _create_rule(name="Later", starts_at=_days_ago(-2))

    admin_client.post(f"{RULES_URL}{scheduled.pk}/delete/", {"post": "yes"})

    recorded = Operation.objects.get()
    assert not BusinessRule.objects.exists()
    assert recorded.actor == admin_user
    assert recorded.reason == "rule Later, deleted: recall 12"


def test_operation_without_product_changes_cannot_be_undone(
    admin_client: Client, admin_user: User, home: Scenario
) -> None:
    admin_client.post(SCENARIO_URL, _scenario_form(home, popularity="2.5"))

    with pytest.raises(UndoRefused, match="changed no product"):
        undo_operation(original=Operation.objects.get(), by=admin_user)


def test_ending_a_rule_that_has_ended_already_is_no_operation(admin_user: User) -> None:
    ended = _create_rule(starts_at=_days_ago(2), ends_at=_days_ago(1))

    assert end_rules(ids=[ended.pk], by=admin_user, now=timezone.now()) == []
    assert not Operation.objects.exists()


def test_rules_are_filtered_by_status(admin_client: Client) -> None:
    rule = _create_rule(starts_at=_days_ago(2))

    active = _page(admin_client.get(RULES_URL, {"status": "active"}))["cl"]
    scheduled = _page(admin_client.get(RULES_URL, {"status": "scheduled"}))["cl"]

    assert list(active.result_list) == [rule]
    assert list(scheduled.result_list) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"action": "boost"}, "unpaid_note"),
        ({"reason": "  "}, "reason"),
        ({"brand": ""}, NON_FIELD_ERRORS),
        ({"brand": "Bud Com"}, "brand"),
        ({"ends_at_0": "2026-01-01", "ends_at_1": "10:00"}, "ends_at"),
        ({"province": "BC"}, "province"),
    ],
)
def test_invalid_rule_is_rejected_with_an_error_of_its_field(
    admin_client: Client,
    store: Store,
    products: list[Product],
    changes: dict[str, str],
    field: str,
) -> None:
    form = RULE_FORM | {"store": str(store.pk)} | changes

    page = _page(admin_client.post(f"{RULES_URL}add/", form))

    assert field in page["adminform"].form.errors
    assert not BusinessRule.objects.exists()


def test_rule_on_an_unknown_brand_gets_suggestions(
    admin_client: Client, products: list[Product]
) -> None:
    page = _page(admin_client.post(f"{RULES_URL}add/", RULE_FORM | {"brand": "Bud Com"}))

    [error] = page["adminform"].form.errors["brand"]
    assert "Bud Co?" in error


def test_boost_is_saved_with_a_note_that_it_is_not_paid_for(
    admin_client: Client, products: list[Product]
) -> None:
    form = RULE_FORM | {"action": "boost", "unpaid_note": "our own choice; no supplier asked"}

    response = admin_client.post(f"{RULES_URL}add/", form)

    assert response.status_code == 302
    assert BusinessRule.objects.get().unpaid_note.startswith("our own choice")


def test_rule_on_a_merged_product_is_rejected(
    admin_client: Client, products: list[Product]
) -> None:
    Product.objects.filter(pk=products[1].pk).update(merged_into=products[0])

    form = RULE_FORM | {"product": str(products[1].pk)}

    page = _page(admin_client.post(f"{RULES_URL}add/", form))

    [error] = page["adminform"].form.errors["product"]
    assert "Blue Dream" in error
    assert not BusinessRule.objects.exists()


def test_active_rules_are_ended_after_confirmation(
    admin_client: Client, products: list[Product]
) -> None:
    active = _create_rule(starts_at=_days_ago(2))
    scheduled = _create_rule(name="Later", starts_at=_days_ago(-2))
    selection = {
        "action": "end_now",
        "_selected_action": [str(active.pk), str(scheduled.pk)],
    }

    confirmation = _page(admin_client.post(RULES_URL, selection))

    assert confirmation["rules"] == [active]
    assert BusinessRule.objects.filter(ends_at=None).count() == 2

    admin_client.post(RULES_URL, selection | {"confirmed": "yes"})

    active.refresh_from_db()
    scheduled.refresh_from_db()
    assert active.ends_at is not None
    assert active.ends_at <= timezone.now()
    assert scheduled.ends_at is None
    repeated = admin_client.post(RULES_URL, selection, follow=True)
    assert message_levels(repeated) == ["success", "warning"]


def test_ended_rule_is_a_read_only_record(admin_client: Client, products: list[Product]) -> None:
    ended = _create_rule(starts_at=_days_ago(2), ends_at=_days_ago(1))
    scheduled = _create_rule(name="Later", starts_at=_days_ago(-2))
    url = f"{RULES_URL}{ended.pk}"

    page = _get(admin_client, f"{url}/change/")

    assert "recall 12" in page
    assert 'name="_save"' not in page
    assert admin_client.post(f"{url}/change/", RULE_FORM).status_code == 403
    assert admin_client.post(f"{url}/delete/", {"post": "yes"}).status_code == 403
    deletion = admin_client.post(f"{RULES_URL}{scheduled.pk}/delete/", {"post": "yes"})
    assert deletion.status_code == 302
    assert set(BusinessRule.objects.all()) == {ended}


def test_start_of_a_started_rule_cannot_be_changed(
    admin_client: Client, products: list[Product]
) -> None:
    rule = _create_rule(starts_at=_days_ago(2))
    new_start = {"starts_at_0": "2099-01-01", "starts_at_1": "00:00:00"}

    response = admin_client.post(
        f"{RULES_URL}{rule.pk}/change/", RULE_FORM | {"name": "Renamed"} | new_start
    )

    changed = BusinessRule.objects.get()
    assert response.status_code == 302
    assert changed.name == "Renamed"
    assert changed.starts_at == rule.starts_at


@pytest.mark.parametrize(
    "criteria",
    [
        {"brand": "acme"},
        {"brand": "Acme (New)"},
        {"brand": "A.me"},
        {"category": "dried_flower", "min_thc_percentage": 20},
        {"min_thc_percentage": 25},
        {"product": 1},
        {"product": 1, "brand": "Acme"},
        {"strain_type": "indica"},
    ],
    ids=str,
)
def test_console_and_pipeline_match_the_same_products(
    store: Store, products: list[Product], criteria: dict[str, Any]
) -> None:
    Product.objects.filter(pk=products[0].pk).update(brand="ACME", thc_percentage=26)
    Product.objects.filter(pk=products[2].pk).update(brand="Acme (new)", thc_percentage=None)
    if "product" in criteria:
        criteria = criteria | {"product": products[criteria["product"]]}
    rule = BusinessRule(name="r", action="hide", reason="r", **criteria)
    facts = load_product_facts([product.pk for product in products], [store.pk])

    in_console = {product.pk for product in products_matching_rule(rule)}
    in_pipeline = {pk for pk, product_facts in facts.items() if matches_rule(rule, product_facts)}

    assert in_console == in_pipeline


def test_reach_of_a_rule_counts_products_and_stores(store: Store, products: list[Product]) -> None:
    reach = rule_reach(BusinessRule(category="dried_flower", store=store))

    assert reach.product_count == 3
    assert reach.stocking_store_count == 1
    assert reach.store_count == 1


def test_explanation_shows_rank_and_score_components(
    admin_client: Client, home: Scenario, store: Store, products: list[Product]
) -> None:
    customer = CustomerFactory.create(consents=("history",), external_id="L-88", province="ON")
    profiles.verify_age(customer=customer, verification_method="in_person", by="user:test")
    form = {"customer": "L-88", "store": str(store.pk), "scenario": "home", "product": "S-0"}

    page = _page(admin_client.post(EXPLAIN_URL, form))

    assert page["explanation"].product == products[0]
    assert page["explanation"].rank == 1
    assert CANDIDATE_SOURCES["popularity"][0] in _labels(page["components"])


def test_explanation_lists_every_filter_that_excludes_a_product(
    admin_client: Client, home: Scenario, store: Store, products: list[Product]
) -> None:
    customer = CustomerFactory.create(consents=("history",), external_id="L-88", province="ON")
    profiles.verify_age(customer=customer, verification_method="in_person", by="user:test")
    _create_rule(name="Recall 12", brand="", product=products[0], reason="lot 7 is mouldy")
    StoreStock.objects.filter(product=products[0]).update(quantity=0)
    InteractionFactory.create(customer=customer, product=products[0], kind="dislike", days_ago=0)
    form = {
        "customer": "L-88",
        "store": str(store.pk),
        "scenario": "home",
        "product": "Blue Dream",
    }

    response = admin_client.post(EXPLAIN_URL, form)

    explanation = _page(response)["explanation"]
    explanations = {reason.filter: reason.explanation for reason in explanation.blocking_reasons}
    assert explanation.rank is None
    assert set(explanations) == {"rule", "stock", "dislike"}
    assert "Recall 12" in explanations["rule"]
    assert "lot 7 is mouldy" in explanations["rule"]
    assert "Queen West" in explanations["stock"]
    assert "lot 7 is mouldy" in response.content.decode()


def test_explanation_for_a_customer_is_logged_but_not_recorded_as_a_recommendation(
    admin_client: Client, home: Scenario, store: Store, products: list[Product]
) -> None:
    customer = CustomerFactory.create(external_id="L-88", province="ON")
    form = {"customer": "L-88", "store": str(store.pk), "scenario": "home", "product": "S-0"}

    for _ in range(2):
        _post(admin_client, EXPLAIN_URL, form)

    accesses = PersonalAccess.objects.filter(
        customer_id=customer.pk, action="recommendations.explain", actor="user:admin"
    )
    assert accesses.count() == 2
    assert not Recommendation.objects.exists()


def test_explanation_finds_products_by_words_and_ids(
    admin_client: Client, home: Scenario, store: Store, products: list[Product]
) -> None:
    ProductFactory.create(sku="S-9", name="Pink Lemonade", merge_key="test:S-9")
    form = {"store": str(store.pk), "scenario": "home", "customer": ""}
    pink_kush = products[1]

    choices = _page(admin_client.post(EXPLAIN_URL, form | {"product": "pink"}))["choices"]
    by_id = _page(admin_client.get(EXPLAIN_URL, form | {"product": str(pink_kush.pk)}))
    Product.objects.filter(pk=pink_kush.pk).update(merged_into=products[0])
    by_merged_id = _page(admin_client.get(EXPLAIN_URL, form | {"product": str(pink_kush.pk)}))

    queries = {product.name: query for product, query in choices}
    assert set(queries) == {"Pink Kush", "Pink Lemonade"}
    assert f"product={pink_kush.pk}" in queries["Pink Kush"]
    assert by_id["explanation"].product == pink_kush
    assert by_merged_id["explanation"].product == products[0]


def test_explanation_reports_unknown_products_and_customers(
    admin_client: Client, home: Scenario, store: Store, products: list[Product]
) -> None:
    form = {"store": str(store.pk), "scenario": "home", "customer": ""}

    unknown_product = _page(admin_client.get(EXPLAIN_URL, form | {"product": "zzzzqqqq"}))
    form |= {"product": "S-0", "customer": "L-0"}
    unknown_customer = _page(admin_client.get(EXPLAIN_URL, form))

    assert unknown_product["choices"] == []
    assert set(unknown_customer["form"].errors) == {"customer"}


@pytest.mark.parametrize("part", ["best_sellers", "coverage", "fallback_levels", "feedback"])
def test_assortment_report_without_data_is_empty(admin_client: Client, part: str) -> None:
    assert list(_page(admin_client.get(ASSORTMENT_URL))[part]) == []


@pytest.fixture
def distant_store(store: Store, products: list[Product]) -> Store:
    """A second store; recommendations and feedback are recorded for it and for the first one."""
    results = [
        (0, [products[0], products[1]], 1),
        (2, [products[0]], 1),
        (0, [products[2]], 20),
    ]
    for fallback_level, recommended, days_ago in results:
        RecommendationFactory.create(
            store_id=store.pk,
            fallback_level=fallback_level,
            products=[product.pk for product in recommended],
            created_at=_days_ago(days_ago),
        )
    distant = StoreFactory.create(code="far", province="BC")
    RecommendationFactory.create(
        store_id=distant.pk, products=[products[2].pk], created_at=_days_ago(1)
    )
    for outcome, affected in (("shown", products[:2]), ("clicked", products[:1])):
        for product in affected:
            RecommendationFeedbackFactory.create(
                kind=outcome, product_id=product.pk, store_id=store.pk
            )
    return distant


def test_coverage_counts_recommended_products_by_store_and_period(
    store: Store, distant_store: Store
) -> None:
    week_ago = _days_ago(7)
    month_ago = _days_ago(30)

    assert category_coverage(store=store, since=week_ago) == [Proportion("dried_flower", 2, 3)]
    assert category_coverage(store=store, since=month_ago) == [Proportion("dried_flower", 3, 3)]
    assert category_coverage(store=None, since=week_ago) == [Proportion("dried_flower", 3, 3)]
    assert category_coverage(store=distant_store, since=week_ago) == []


def test_assortment_report_shows_sales_coverage_fallbacks_and_clicks(
    admin_client: Client, store: Store, distant_store: Store, products: list[Product]
) -> None:
    params = {"store": str(store.pk), "period": "7"}

    with CaptureQueriesContext(connection) as queries:
        page = _page(admin_client.get(ASSORTMENT_URL, params))

    [(_, feedback)] = page["feedback"]
    assert len(queries) <= 11  # with the session, whose idle end moves
    assert [seller.product for seller in page["best_sellers"]] == products[:2]
    assert (page["days"], page["total_coverage"]) == (7, Proportion("", 2, 3))
    assert [label for label, _ in page["fallback_levels"]] == [
        FALLBACK_LEVEL_LABELS[FallbackLevel.NONE],
        FALLBACK_LEVEL_LABELS[FallbackLevel.NOT_PERSONALIZED],
    ]
    assert feedback.click_percent == 50
    month = _page(admin_client.get(ASSORTMENT_URL, params | {"period": "30"}))
    assert month["total_coverage"] == Proportion("", 3, 3)


def test_pages_need_their_view_permission(
    client: Client, home: Scenario, products: list[Product]
) -> None:
    rule = _create_rule()
    urls = [
        RULES_URL,
        f"{RULES_URL}{rule.pk}/change/",
        EXPLAIN_URL,
        ASSORTMENT_URL,
        SCENARIO_URL,
    ]

    _log_in_with_permissions(client)
    assert {client.get(url).status_code for url in urls} == {403}

    _log_in_with_permissions(client, "view_businessrule", "view_scenario", "view_productpopularity")
    assert {client.get(url).status_code for url in urls} == {200}


def test_changes_need_the_change_permission(
    client: Client, home: Scenario, products: list[Product]
) -> None:
    rule = _create_rule()
    end_now = {"action": "end_now", "_selected_action": [str(rule.pk)], "confirmed": "yes"}

    _log_in_with_permissions(client, "view_businessrule", "view_scenario")
    assert client.post(PREVIEW_URL, _scenario_form(home)).status_code == 403
    assert client.post(f"{RULES_URL}add/", RULE_FORM).status_code == 403
    client.post(RULES_URL, end_now)
    assert BusinessRule.objects.get().ends_at is None

    _log_in_with_permissions(
        client, "view_businessrule", "change_businessrule", "view_scenario", "change_scenario"
    )
    assert client.post(PREVIEW_URL, _scenario_form(home)).status_code == 200
    client.post(RULES_URL, end_now)
    assert BusinessRule.objects.get().ends_at is not None


def test_explaining_for_a_customer_needs_the_permission_to_view_customers(
    client: Client, home: Scenario, products: list[Product]
) -> None:
    _log_in_with_permissions(client, "view_scenario")
    CustomerFactory.create(external_id="L-99")
    form = {"customer": "L-99", "scenario": "home", "product": "S-0"}

    page = _page(client.post(EXPLAIN_URL, form))

    assert set(page["form"].errors) == {"customer"}
    assert "explanation" not in page
    assert not PersonalAccess.objects.filter(action="recommendations.explain").exists()


def test_pages_need_a_bounded_number_of_queries(
    admin_client: Client, home: Scenario, store: Store, products: list[Product]
) -> None:
    rule = _create_rule()
    for number in range(20):
        _create_rule(name=f"Rule {number}", brand="", product=products[0], store=store)
    urls = (
        SCENARIOS_URL,
        "/console/customers/productpopularity/",
        RULES_URL,
        SCENARIO_URL,
        f"{RULES_URL}{rule.pk}/change/",
        f"{RULES_URL}add/",
        EXPLAIN_URL,
    )
    _get(admin_client, urls[4])  # content types are read once in a process

    for url in urls:
        with CaptureQueriesContext(connection) as queries:
            _get(admin_client, url)
        assert len(queries) <= 12, url
