"""Names of models, fields and forms: listed for translation, shown in the user's language."""

import re
from collections.abc import Iterator
from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin
from django.forms.utils import pretty_name
from django.utils import translation

from catalog.models import CatalogSource, Product
from config.admin.model_texts import NAMES, subclasses, translate_model_texts
from customers.admin.explain import RecommendationRequestForm

# Pages of other projects, which bring their own catalogues.
_FOREIGN = frozenset({"auth", "django_celery_beat", "rest_framework_api_key"})
# Labels of Django's form of the login, on which ours builds.
_OF_DJANGO = frozenset({"Password", "Username"})
_OWN = frozenset(
    {"biometrics", "catalog", "competitors", "config", "customers", "mlops", "vectors"}
)


def _names(rows: Any) -> Iterator[str]:
    for row in rows:
        if isinstance(row, list | tuple):
            yield from _names(row)
        else:
            yield str(row)


def _shown_names() -> Iterator[str]:
    """Yield the English names of the models of console pages, and of the fields on them."""
    for model, page in admin.site._registry.items():
        if model._meta.app_label in _FOREIGN:
            continue
        yield str(model._meta.verbose_name)
        yield str(model._meta.verbose_name_plural)
        fieldsets = [options["fields"] for _, options in page.fieldsets or ()]
        shown = {*_names(page.list_display), *_names(page.fields or ()), *_names(fieldsets)}
        has_all = not page.fields and not page.fieldsets
        for field in model._meta.local_fields:
            if has_all or field.name in shown:
                yield str(field.verbose_name)


def test_every_name_on_a_page_is_listed_for_translation() -> None:
    admin.autodiscover()
    with translation.override("en"):
        shown = set(_shown_names())
        missing = shown - {str(name) for name in NAMES}

    assert len(shown) > 200
    assert not missing


def test_every_help_text_of_a_field_is_translated() -> None:
    translate_model_texts()
    help_texts = [
        field.help_text
        for model in apps.get_models()
        if model.__module__.partition(".")[0] in _OWN
        for field in model._meta.local_fields
        if field.help_text
    ]

    with translation.override("en"):
        english = [str(text) for text in help_texts]
    with translation.override("fr"):
        french = [str(text) for text in help_texts]

    assert len(english) > 40
    assert not [text for text, other in zip(english, french, strict=True) if text == other]


def _foreign_fields(form: type[forms.BaseForm]) -> set[str]:
    """Return the names of the fields that a form inherits from other projects' forms."""
    others = [each for each in form.__mro__ if each.__module__.partition(".")[0] not in _OWN]
    return {name for each in others for name in getattr(each, "declared_fields", {})}


def test_every_derived_label_of_a_form_is_listed_for_translation() -> None:
    admin.autodiscover()
    with translation.override("en"):
        derived = {
            pretty_name(name)
            for form in subclasses(forms.BaseForm)
            if form.__module__.partition(".")[0] in _OWN
            for name, field in getattr(form, "declared_fields", {}).items()
            if field.label is None or str(field.label) == pretty_name(name)
            if name not in _foreign_fields(form)
        }
        missing = derived - {str(name) for name in NAMES} - _OF_DJANGO

    assert len(derived) > 30
    assert not missing


def test_plural_names_are_english() -> None:
    irregular = re.compile(r"([^aeiou]y|ch|sh|s|x|z|stock|feedback|progress|access)$")
    with translation.override("en"):
        names = {
            str(model._meta.verbose_name): str(model._meta.verbose_name_plural)
            for model in apps.get_models()
        }

    misspelled = [
        name for name, plural in names.items() if plural == f"{name}s" and irregular.search(name)
    ]

    assert len(names) > 60
    assert not misspelled


def test_names_are_in_the_language_of_the_user() -> None:
    translate_model_texts()

    with translation.override("fr"):
        french = str(Product._meta.get_field("brand").verbose_name)
    with translation.override("en"):
        english = str(Product._meta.get_field("brand").verbose_name)

    assert french == "marque"
    assert english == "brand"


def test_help_texts_are_in_the_language_of_the_user() -> None:
    translate_model_texts()

    with translation.override("fr"):
        french = str(CatalogSource._meta.get_field("file").help_text)

    assert french == "Lu lorsqu’aucune adresse n’est indiquée."


def test_labels_of_forms_are_in_the_language_of_the_user() -> None:
    admin.autodiscover()
    translate_model_texts()

    with translation.override("fr"):
        label = str(RecommendationRequestForm.base_fields["store"].label)

    assert label == "Magasin"


def test_translated_names_are_not_part_of_migrations() -> None:
    translate_model_texts()

    field = Product._meta.get_field("brand")

    assert "verbose_name" not in field.deconstruct()[3]
    assert "verbose_name" not in Product._meta.original_attrs
