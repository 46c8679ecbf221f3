"""Reasons of an estimate in words: every feature, both languages, no effects."""

import pytest
from django.utils import translation

from competitors.pricing.items import read_items
from competitors.pricing.model import FEATURES, load
from competitors.pricing.reasons import MAX_REASONS, PriceReason, explain_estimates
from competitors.training import prepare
from tests.samples.price_model import price_model_body
from tests.samples.prices import offers

_CODES = (
    "category",
    "size",
    "potency",
    "strain_type",
    "terpenes",
    "province",
    "season",
    "brand",
    "shop",
    "name",
    "competitors",
)


@pytest.mark.parametrize("code", _CODES)
def test_reason_names_its_subject_and_percent(code: str) -> None:
    raised = PriceReason(code=code, percent=12.4, value="Acorn").explain()
    lowered = PriceReason(code=code, percent=-7.6, value="Acorn").explain()

    assert raised.endswith("raises the estimate by 12 %.")
    assert lowered.endswith("lowers the estimate by 8 %.")
    assert "%(" not in raised


@pytest.mark.parametrize("code", ["competitors_start", "typical_start"])
def test_start_of_an_estimate_is_an_amount(code: str) -> None:
    assert "$24.50" in PriceReason(code=code, amount=24.5).explain()


@pytest.mark.parametrize("code", _CODES)
def test_reasons_are_in_french_too(code: str) -> None:
    english = PriceReason(code=code, percent=12.4, value="Acorn").explain()

    with translation.override("fr"):
        french = PriceReason(code=code, percent=12.4, value="Acorn").explain()

    assert french != english
    assert "12 %" in french.replace("\N{NO-BREAK SPACE}", " ")


def test_reasons_of_estimates_are_known_and_few() -> None:
    model = load(price_model_body())
    items = read_items(prepare(offers(products=20, weeks=1)).to_pydict())

    explained = explain_estimates(model, items)

    assert len(explained) == len(items)
    for reasons in explained:
        assert reasons[0].code in ("competitors_start", "typical_start")
        assert len(reasons) <= MAX_REASONS + 1
        assert {reason.code for reason in reasons[1:]} <= set(_CODES)
        assert "effect" not in " ".join(reason.explain() for reason in reasons).lower()


def test_no_feature_is_an_effect() -> None:
    assert not [name for name in FEATURES if "effect" in name]
