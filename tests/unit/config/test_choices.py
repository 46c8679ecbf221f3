"""Labels of choices in the language of the user: status, verdicts, categories, strain types."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.utils import translation
from django.utils.functional import Promise

from catalog.ingest.vocabulary import CATEGORIES, STRAIN_TYPES
from catalog.models import MatchDecision
from catalog.reference.provinces import PROVINCES
from catalog.reference.word_labels import province_choices, word_choices, word_label
from mlops.models import Run

# Languages are named in themselves; audiences and codes of provinces are names of the API.
_SAME_IN_ALL = frozenset(
    {"English", "français", "Français", "Public", "Verified", "Staff", *PROVINCES}
)
_OWN = ("biometrics", "catalog", "competitors", "config", "customers", "mlops", "vectors")


def _plain_labels() -> Iterator[str]:
    for model in apps.get_models():
        if model._meta.app_label not in _OWN:
            continue
        for field in model._meta.local_fields:
            for _value, label in field.flatchoices:
                if not isinstance(label, Promise) and label not in _SAME_IN_ALL:
                    yield f"{model._meta.label}.{field.name}: {label}"


def test_labels_of_all_choices_follow_the_language() -> None:
    assert list(_plain_labels()) == []


@pytest.mark.parametrize(
    ("label", "french"),
    [
        (Run.Status.SUCCEEDED.label, "Réussi"),
        (MatchDecision.Verdict.DIFFERENT.label, "pas un doublon"),
    ],
)
def test_label_is_french_in_the_french_console(label: str, french: str) -> None:
    with translation.override("fr"):
        assert str(label) == french


def test_category_has_the_label_of_the_language() -> None:
    with translation.override("fr-ca"):
        assert word_label("dried_flower") == "fleurs séchées"
    with translation.override("en"):
        assert word_label("dried_flower") == "dried flower"


def test_choices_of_a_form_made_once_follow_the_language() -> None:
    choices = dict(word_choices(CATEGORIES.values()))

    with translation.override("fr"):
        assert str(choices["edibles"]) == "mangeables"
    with translation.override("en"):
        assert str(choices["edibles"]) == "edibles"


def test_province_has_the_name_of_the_language() -> None:
    with translation.override("fr"):
        assert str(dict(province_choices())["BC"]) == "Colombie-Britannique"


def test_every_strain_type_has_a_french_label() -> None:
    with translation.override("fr"):
        labels = {word: word_label(word) for word in set(STRAIN_TYPES.values())}

    assert {word for word, label in labels.items() if "_" in label} == set()
    assert labels["hybrid"] == "hybride"
