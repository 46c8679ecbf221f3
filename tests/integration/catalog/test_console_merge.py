"""Merging in the console: fields side by side, choice of the survivor, warnings of differences."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.forms.models import model_to_dict
from django.test import Client
from django.urls import reverse

from catalog.ingest.records import Potency
from catalog.models import MatchDecision, Product, ProductAlias
from catalog.selectors.product_fields import field_text
from catalog.services.duplicates import apply_verdict, merge_pair
from catalog.services.merge_preview import MergePreview, preview_merge
from mlops.models import Operation
from tests.integration.catalog.test_corrections import import_listings, make_listing

pytestmark = pytest.mark.django_db(transaction=True)
OIL: dict[str, Any] = {
    "name": "Calm Oil",
    "category": "oils",
    "thc": Potency(low=Decimal(20), high=Decimal(20), unit="mg_per_ml"),
    "weight_grams": None,
    "volume_ml": Decimal(30),
}
VAPE: dict[str, Any] = {
    "name": "Calm Vape",
    "category": "vapes",
    "thc": Potency(low=Decimal(85), high=Decimal(85), unit="percent"),
    "weight_grams": Decimal(1),
}


def _pair(first: dict[str, Any], second: dict[str, Any]) -> tuple[Product, Product]:
    """Create two products from listings of two sources."""
    import_listings(make_listing("aglc", "1", **first), make_listing("ocs", "2", **second))
    return Product.objects.get(sku="1"), Product.objects.get(sku="2")


def _merge_two(client: Client, pair: tuple[Product, Product], **form: str) -> Any:
    """Submit the list action on two products."""
    data = {"action": "merge_two", "_selected_action": [str(product.pk) for product in pair]}
    return client.post(reverse("admin:catalog_product_changelist"), {**data, **form})


def _preview(response: Any) -> MergePreview:
    preview: MergePreview = response.context["pairs"][0].preview
    return preview


def test_t56_preview_shows_all_fields_side_by_side_with_the_results(admin_client: Client) -> None:
    pair = _pair(OIL, VAPE)

    preview = _preview(_merge_two(admin_client, pair))

    fields = {field.name: field for field in preview.fields}
    assert fields["category"].values == ("oils", "vapes")
    assert fields["volume_ml"].values == ("30", "")
    assert fields["volume_ml"].results == ("30", "30")
    assert fields["weight_grams"].results == ("1", "1")
    assert fields["thc_percentage"].results == ("85", "85")


def test_t56_preview_writes_nothing(admin_client: Client) -> None:
    pair = _pair(OIL, VAPE)
    before = [model_to_dict(product) for product in pair]

    _merge_two(admin_client, pair)

    after = [model_to_dict(Product.objects.get(pk=product.pk)) for product in pair]
    assert after == before
    assert not ProductAlias.objects.exists()
    assert not MatchDecision.objects.exists()
    assert not Operation.objects.filter(kind=Operation.Kind.MERGE).exists()


@pytest.mark.parametrize("survivor", [0, 1])
def test_t56_merged_product_has_the_previewed_values(admin_client: Client, survivor: int) -> None:
    pair = _pair({"name": "Pink Kush", "price": Decimal(28)}, {"brand": None, "name": "Pink K"})
    preview = preview_merge(left=pair[0], right=pair[1])

    _merge_two(admin_client, pair, confirmed="yes", survivor_pair=str(pair[survivor].pk))

    merged = Product.objects.current().get()
    assert {field.name: field_text(getattr(merged, field.name)) for field in preview.fields} == {
        field.name: field.results[survivor] for field in preview.fields
    }


@pytest.mark.parametrize("survivor", [0, 1])
def test_t56_staff_choose_the_survivor(admin_client: Client, survivor: int) -> None:
    pair = _pair({}, {})

    _merge_two(admin_client, pair, confirmed="yes", survivor_pair=str(pair[survivor].pk))

    assert Product.objects.current().get() == pair[survivor]


def test_t56_survivor_is_chosen_among_possible_duplicates(admin_client: Client) -> None:
    pair = _pair({}, {})
    decision = MatchDecision.objects.create(
        left_key=pair[0].merge_key, right_key=pair[1].merge_key, score=80, reasons=[]
    )
    form = {
        "action": "merge",
        "_selected_action": [decision.pk],
        "confirmed": "yes",
        f"survivor_{decision.pk}": str(pair[1].pk),
    }

    admin_client.post(reverse("admin:catalog_matchdecision_changelist"), form)

    assert Product.objects.current().get() == pair[1]


def test_t56_chosen_survivor_stays_when_an_earlier_merge_is_undone(admin_user: User) -> None:
    import_listings(*(make_listing("ocs", sku) for sku in ("1", "2", "3")))
    first, second, third = Product.objects.order_by("sku")
    earlier = merge_pair(left=first, right=third, survivor=third, by=admin_user)
    merge_pair(left=second, right=third, survivor=third, by=admin_user)

    apply_verdict(decision=earlier, verdict=MatchDecision.Verdict.DIFFERENT, by=admin_user)

    assert set(Product.objects.current()) == {first, third}
    assert Product.objects.get(pk=second.pk).merged_into == third


@pytest.mark.parametrize(
    ("first", "second", "conflicts"),
    [
        (
            OIL,
            VAPE,
            {
                *("category", "weight_grams", "volume_ml"),
                *("thc_percentage", "thc_mg"),
            },
        ),
        ({}, {"weight_grams": Decimal(7)}, {"weight_grams"}),
        ({"unit_count": 5}, {"unit_count": 10}, {"unit_count"}),
        ({"unit_count": 5}, {}, {"unit_count"}),
        (
            {"thc": Potency(low=Decimal(10), high=Decimal(10), unit="mg_per_unit")},
            {"thc": Potency(low=Decimal(10), high=Decimal(10), unit="mg_per_package")},
            {"mg_basis"},
        ),
        ({}, {"weight_grams": None}, set()),
        ({}, {"brand": "Other", "name": "Rose Kush", "price": Decimal(12)}, set()),
    ],
    ids=["oil-vape", "size", "pieces", "pieces-unknown", "unit", "size-unknown", "same"],
)
def test_t56_differences_of_category_unit_and_size_are_warned_of(
    admin_client: Client, first: dict[str, Any], second: dict[str, Any], conflicts: set[str]
) -> None:
    preview = _preview(_merge_two(admin_client, _pair(first, second)))

    assert {field.name for field in preview.conflicts} == conflicts


def test_t56_products_that_differ_are_not_merged_by_one_click(admin_client: Client) -> None:
    pair = _pair(OIL, VAPE)

    response = _merge_two(admin_client, pair, confirmed="yes")

    assert Product.objects.current().count() == 2
    assert _preview(response).conflicts


def test_t56_products_that_differ_are_merged_when_the_differences_are_confirmed(
    admin_client: Client,
) -> None:
    pair = _pair(OIL, VAPE)

    _merge_two(admin_client, pair, confirmed="yes", differences_pair="yes")

    assert Product.objects.current().count() == 1


def test_t56_message_links_to_the_merged_product(admin_client: Client) -> None:
    pair = _pair({}, {})

    response = admin_client.post(
        reverse("admin:catalog_product_changelist"),
        {
            "action": "merge_two",
            "_selected_action": [str(product.pk) for product in pair],
            "confirmed": "yes",
        },
        follow=True,
    )

    survivor = Product.objects.current().get()
    message = next(iter(response.context["messages"]))
    assert reverse("admin:catalog_product_change", args=[survivor.pk]) in str(message)


def test_t56_pair_that_cannot_be_merged_states_why(admin_client: Client, admin_user: User) -> None:
    import_listings(*(make_listing("ocs", sku) for sku in ("1", "2", "3")))
    first, second, third = Product.objects.order_by("sku")
    merge_pair(left=first, right=second, by=admin_user)

    second.refresh_from_db()
    loser = first if second.merged_into is None else second
    decision = MatchDecision.objects.create(
        left_key=loser.merge_key, right_key=third.merge_key, score=80, reasons=[]
    )
    response = admin_client.post(
        reverse("admin:catalog_matchdecision_changelist"),
        {"action": "merge", "_selected_action": [decision.pk]},
    )

    (pair,) = response.context["pairs"]
    assert pair.preview is None
    assert "already merged" in pair.refusal
