"""Kinds of alerts: every code that is opened has a title and advice."""

import re

import pytest

from competitors.ingest.crawling.errors import CODES
from competitors.selectors.price_alerts import ALERT_CODES as PRICE_CODES
from config.embedded.stack import ROOT
from mlops.pipelines.runner import ALERT_CODES as SOURCE_CODES
from mlops.quality.kinds import ALERT_KINDS, find_kind
from mlops.registry.drift import ALERT_CODES as DRIFT_CODES

APPS = ("mlops", "vectors", "catalog", "customers", "competitors", "biometrics")
_CONSTANT = re.compile(r'^(?:ALERT_CODE|\w+_ALERT|\w+_CODE) = "(\w+)"$', re.MULTILINE)
_ARGUMENT = re.compile(r'open_alert\(\s*code="(\w+)"')


def _codes_in_code() -> set[str]:
    """Return the codes of constants and arguments in modules that open alerts."""
    codes: set[str] = set()
    for app in APPS:
        for module in (ROOT / app).rglob("*.py"):
            source = module.read_text(encoding="utf-8")
            if "open_alert(" in source:
                codes |= {*_CONSTANT.findall(source), *_ARGUMENT.findall(source)}
    return codes


def test_every_code_has_a_kind() -> None:
    codes = _codes_in_code()
    codes |= {*CODES, *PRICE_CODES, *SOURCE_CODES, *DRIFT_CODES.values()}

    assert {"stale", "login_blocked", "experiment_guard_broken", "vector_recall"} <= codes
    assert codes - set(ALERT_KINDS.by_name()) == set()


@pytest.mark.parametrize("kind", ALERT_KINDS.all(), ids=lambda kind: kind.code)
def test_kind_advises(kind: object) -> None:
    assert str(kind.title)  # type: ignore[attr-defined]
    assert str(kind.advice).endswith(".")  # type: ignore[attr-defined]


def test_unknown_code_is_its_own_title() -> None:
    kind = find_kind("made_up")

    assert (kind.title, kind.advice) == ("made_up", "")
