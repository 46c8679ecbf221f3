"""Time frames for known vulnerabilities and for upgrades of the locks."""

from datetime import date, timedelta
from typing import Any

import pytest

from config.embedded import audit
from config.embedded.stack import ROOT

PUBLISHED = date(2026, 3, 1)
RECORDS: dict[str, dict[str, Any]] = {
    "PYSEC-2026-1": {"published": "2026-03-02T10:00:00Z"},
    "GHSA-critical": {
        "published": "2026-03-01T09:30:00.123456Z",
        "database_specific": {"severity": "CRITICAL"},
    },
    "GHSA-low": {"published": "2026-03-01T09:30:00Z", "database_specific": {"severity": "LOW"}},
}


def _report(*names: str, fixed_in: tuple[str, ...] = ("5.2.1",)) -> dict[str, Any]:
    """Return a report of pip-audit about one package."""
    vulnerability = {"id": names[0], "aliases": list(names[1:]), "fix_versions": list(fixed_in)}
    return {
        "dependencies": [
            {"name": "django", "version": "5.2", "vulns": [vulnerability]},
            {"name": "ours", "skip_reason": "not on PyPI"},
        ],
        "fixes": [],
    }


def _finding(*names: str, **options: Any) -> audit.Finding:
    (finding,) = audit.read_findings(_report(*names, **options), RECORDS.__getitem__)
    return finding


@pytest.mark.parametrize(
    ("names", "days"),
    [(("GHSA-critical",), 7), (("GHSA-low",), 90), (("PYSEC-2026-1", "GHSA-critical"), 7)],
)
def test_time_frame_follows_from_severity_and_publication(names: tuple[str], days: int) -> None:
    assert _finding(*names).due_on == PUBLISHED + timedelta(days=days)


def test_unknown_severity_counts_as_high() -> None:
    assert _finding("PYSEC-2026-1").severity == "HIGH"


def test_a_vulnerability_is_overdue_on_the_day_after_its_last() -> None:
    finding = _finding("GHSA-critical")

    assert not finding.is_overdue(finding.due_on)
    assert finding.is_overdue(finding.due_on + timedelta(days=1))


def test_a_vulnerability_without_a_fix_is_listed_and_not_overdue() -> None:
    finding = _finding("GHSA-low", fixed_in=())
    long_after = finding.due_on + timedelta(days=400)

    assert not finding.is_overdue(long_after)
    assert "no fix yet" in finding.describe(long_after)


@pytest.mark.parametrize(("days", "code"), [(90, 0), (91, audit.EXIT_OVERDUE)])
def test_locks_that_were_not_upgraded_for_too_long_fail_the_audit(
    days: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "days_since_upgrade", lambda _today: days)

    assert audit.main([]) == code


def test_an_overdue_vulnerability_fails_the_audit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "days_since_upgrade", lambda _today: 0)
    monkeypatch.setattr(audit, "_run_pip_audit", lambda _name: _report("GHSA-critical"))
    old = {**RECORDS["GHSA-critical"], "published": "2020-01-01T00:00:00Z"}
    monkeypatch.setattr(audit, "_read_advisory", lambda _name: old)

    code = audit.main(["app"])

    assert code == audit.EXIT_OVERDUE
    assert "due by 2020-01-08 OVERDUE" in capsys.readouterr().out


def test_a_database_that_cannot_be_reached_is_reported_as_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_name: str) -> dict[str, Any]:
        raise audit.DatabaseUnreachable

    monkeypatch.setattr(audit, "_run_pip_audit", fail)

    code = audit.main(["app"])

    assert code == audit.EXIT_UNREACHABLE
    assert "nothing is known about vulnerabilities" in capsys.readouterr().err


def test_the_day_of_the_last_upgrade_is_a_date() -> None:
    assert audit.days_since_upgrade(date(2026, 11, 24)) <= 0


def test_the_page_states_the_time_frames_that_are_checked() -> None:
    page = (ROOT / "docs" / "security.md").read_text()

    stated = {
        severity: f"| {severity.lower()} | {days} days |" in page
        for severity, days in audit.DAYS_TO_FIX.items()
    }

    assert stated == dict.fromkeys(audit.DAYS_TO_FIX, True)
    assert f"every {audit.DAYS_BETWEEN_UPGRADES} days" in page
