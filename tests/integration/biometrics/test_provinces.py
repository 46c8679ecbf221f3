"""Settings of provinces: biometrics starts only where nothing is missing."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from biometrics.checks import check_provinces
from biometrics.errors import BiometricsDisabled
from biometrics.keys import template_keys
from biometrics.models import AuditEntry, BiometricSettings, StoreGroup
from biometrics.selectors.provinces import (
    is_enabled,
    missing_requirements,
    require_enabled,
    store_group_of,
)
from biometrics.services.provinces import create_purpose_text, save_settings, save_store_group
from config.embedded.stack import ROOT
from config.errors import BadInput, Conflict
from customers.models import ConsentText
from customers.selectors.consents import current_consent_texts
from tests.factories.biometrics import IDENTIFICATION, VERIFICATION, enable_biometrics
from tests.factories.catalog import StoreFactory

pytestmark = pytest.mark.django_db(transaction=True)
DECLARED_ON = date(2026, 1, 5)
# 5 January + 60 days is 6 March; midnight in Quebec is 05:00 UTC.
ONE_SECOND_EARLY = datetime(2026, 3, 6, 4, 59, 59, tzinfo=UTC)
FIRST_SECOND = datetime(2026, 3, 6, 5, 0, 0, tzinfo=UTC)


def test_biometrics_is_off_in_a_new_installation() -> None:
    assert not BiometricSettings.objects.exists()
    assert not is_enabled(province="ON", purpose=VERIFICATION)


def _check() -> None:
    call_command("check", databases=["default"])


def test_start_is_refused_in_quebec_without_a_declaration() -> None:
    enable_biometrics("QC", declaration_number="", declared_on=None)

    with pytest.raises(SystemCheckError, match="Commission d'accès à l'information"):
        _check()


def test_start_is_allowed_in_quebec_with_a_declaration() -> None:
    enable_biometrics("QC", declaration_number="CAI-1", declared_on=DECLARED_ON)

    _check()


def test_start_is_refused_in_quebec_before_the_sixtieth_day() -> None:
    settings = enable_biometrics("QC", declared_on=DECLARED_ON)

    early = missing_requirements(settings, now=ONE_SECOND_EARLY)

    assert list(early) == ["declared_on"]
    assert "2026-03-06" in early["declared_on"]
    assert missing_requirements(settings, now=FIRST_SECOND) == {}


def test_use_is_refused_in_quebec_before_the_sixtieth_day() -> None:
    enable_biometrics("QC", declared_on=DECLARED_ON)

    with pytest.raises(BiometricsDisabled, match="60 days"):
        require_enabled(province="QC", purpose=VERIFICATION, now=ONE_SECOND_EARLY)


def test_other_provinces_need_no_declaration() -> None:
    settings = enable_biometrics("ON", declaration_number="", declared_on=None)

    assert missing_requirements(settings) == {}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"verification_text": None, "identification_text": None}, "verification_text"),
        ({"alternative": ""}, "alternative"),
        ({"retention_days": None}, "retention_days"),
    ],
)
def test_each_requirement_is_named(values: dict[str, Any], field: str) -> None:
    settings = enable_biometrics(**values)

    assert list(missing_requirements(settings)) == [field]
    assert [message.id for message in check_provinces(databases=["default"])] == ["biometrics.E001"]


def test_text_in_one_language_only_is_not_enough() -> None:
    settings = enable_biometrics()
    ConsentText.objects.filter(purpose=VERIFICATION).update(text_fr=" ")
    settings = BiometricSettings.objects.get(pk=settings.pk)

    assert list(missing_requirements(settings)) == ["verification_text"]


def test_verification_alone_may_be_enabled() -> None:
    enable_biometrics(identification_text=None)

    assert is_enabled(province="ON", purpose=VERIFICATION)
    assert not is_enabled(province="ON", purpose=IDENTIFICATION)


def test_enabled_province_without_master_keys_is_a_check_error(settings: Any) -> None:
    enable_biometrics()
    settings.BIOMETRIC_KEYS = ""
    template_keys.cache_clear()

    try:
        messages = check_provinces(databases=["default"])
    finally:
        template_keys.cache_clear()

    assert [message.id for message in messages] == ["biometrics.E002"]


def test_enabled_province_without_opencv_is_a_check_error(monkeypatch: pytest.MonkeyPatch) -> None:
    enable_biometrics()
    monkeypatch.setitem(sys.modules, "cv2", None)

    messages = check_provinces(databases=["default"])

    assert [message.id for message in messages] == ["biometrics.E003"]


def test_incomplete_province_that_is_off_is_no_error() -> None:
    enable_biometrics("QC", is_enabled=False, declaration_number="", declared_on=None)

    assert check_provinces(databases=["default"]) == []


def test_service_refuses_to_enable_with_the_reasons_by_field(admin_user: User) -> None:
    settings = enable_biometrics("QC", is_enabled=False, declaration_number="", declared_on=None)
    settings.is_enabled = True

    with pytest.raises(Conflict) as raised:
        save_settings(settings=settings, by=admin_user)

    assert [field for field, _ in raised.value.errors] == ["declaration_number", "declared_on"]
    assert not BiometricSettings.objects.get(pk=settings.pk).is_enabled


def test_change_of_settings_is_audited(admin_user: User) -> None:
    settings = enable_biometrics(is_enabled=False)
    settings.is_enabled = True

    save_settings(settings=settings, by=admin_user)

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.reason, entry.province) == ("configure", "enabled", "ON")
    assert entry.actor == f"user:{admin_user.get_username()}"


def test_published_text_cannot_be_published_again() -> None:
    values = {"purpose": VERIFICATION, "version": "1", "text_en": "a", "text_fr": "b"}
    create_purpose_text(**values)

    with pytest.raises(BadInput, match="never changed"):
        create_purpose_text(**values | {"text_en": "c"})


@pytest.mark.parametrize("name", ["version", "text_en", "text_fr"])
def test_text_needs_a_version_and_both_languages(name: str) -> None:
    values = {"purpose": VERIFICATION, "version": "1", "text_en": "a", "text_fr": "b"}

    with pytest.raises(BadInput) as raised:
        create_purpose_text(**values | {name: " "})

    assert raised.value.field == name


def test_stores_of_a_group_share_its_code(admin_user: User) -> None:
    stores = [StoreFactory.create(code=code) for code in ("queen-west", "king-street")]
    single = StoreFactory.create(code="harbour")

    save_store_group(
        group=StoreGroup(code="downtown", name="Downtown", province="ON"),
        stores=stores,
        by=admin_user,
    )

    groups = [store_group_of(store) for store in (*stores, single)]
    assert groups == ["downtown", "downtown", "harbour"]


def test_store_of_another_province_cannot_join_a_group(admin_user: User) -> None:
    store = StoreFactory.create(code="calgary", province="AB")

    with pytest.raises(BadInput, match="another province"):
        save_store_group(
            group=StoreGroup(code="downtown", name="Downtown", province="ON"),
            stores=[store],
            by=admin_user,
        )


def test_store_cannot_be_in_two_groups(admin_user: User) -> None:
    store = StoreFactory.create(code="queen-west")
    for_all: dict[str, Any] = {"stores": [store], "by": admin_user}
    save_store_group(group=StoreGroup(code="a", name="A", province="ON"), **for_all)

    with pytest.raises(BadInput, match="is in the group A"):
        save_store_group(group=StoreGroup(code="b", name="B", province="ON"), **for_all)


@pytest.mark.parametrize(("declared", "exit_code"), [(False, 3), (True, 0)])
def test_web_server_starts_in_quebec_only_with_a_declaration(
    declared: bool, exit_code: int
) -> None:
    values = {} if declared else {"declaration_number": "", "declared_on": None}
    enable_biometrics("QC", **values)

    completed = subprocess.run(
        [sys.executable, "-c", _WHEN_READY],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": _database_url(), "DJANGO_SETTINGS_MODULE": _SETTINGS},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert completed.returncode == exit_code, completed.stderr
    assert ("the number of the declaration" in completed.stderr) is not declared


_SETTINGS = "config.settings.test"
# Runs the hook that gunicorn calls before it forks the workers.
_WHEN_READY = """
import logging, runpy, types, django
django.setup()
server = types.SimpleNamespace(cfg=types.SimpleNamespace(workers=1), log=logging.getLogger("x"))
runpy.run_path("gunicorn.conf.py")["when_ready"](server)
"""


def _database_url() -> str:
    from django.db import connection

    values = connection.settings_dict
    return (
        f"postgresql://{values['USER']}:{values['PASSWORD']}@{values['HOST']}:{values['PORT']}"
        f"/{values['NAME']}"
    )


def test_purpose_texts_are_not_offered_where_biometrics_may_be_off() -> None:
    enable_biometrics("ON")

    purposes = {text.purpose for text in current_consent_texts()}

    assert purposes == {"history", "profiling", "chat", "marketing"}
