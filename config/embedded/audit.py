"""
Known vulnerabilities of locked packages, against the time frames of docs/security.md.

`bin/audit` runs this in the environment of `requirements/audit.lock`: pip-audit names the
advisories, and the database that it asks (osv.dev) says how severe each is, and since when known.
"""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).resolve().parent.parent.parent
UPGRADED_ON = ROOT / "requirements" / "upgraded_on"
"""Day of the last `bin/lock --upgrade`, which writes it."""
DAYS_TO_FIX = {"CRITICAL": 7, "HIGH": 14, "MODERATE": 30, "LOW": 90}
"""Time frame by severity, from the publication of the advisory."""
DAYS_BETWEEN_UPGRADES = 90
EXIT_OVERDUE = 1
EXIT_UNREACHABLE = 2
_UNKNOWN_SEVERITY = "HIGH"
_DATABASE = "https://api.osv.dev/v1/vulns/"
_TIMEOUT_SECONDS = 20
_SIGNS_OF_UNREACHABILITY = (
    "ConnectionError",
    "ServiceError",
    "Max retries",
    "HTTPError",
    "failed to connect",
)


class DatabaseUnreachable(Exception):
    """No advisory database responds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A known vulnerability of a locked package; `fixed_in` is empty while there is no fix."""

    package: str
    version: str
    advisory: str
    severity: str
    published_on: date
    fixed_in: list[str]

    @property
    def due_on(self) -> date:
        """Last day on which the package may still be in use."""
        return self.published_on + timedelta(days=DAYS_TO_FIX[self.severity])

    def is_overdue(self, today: date) -> bool:
        """Return whether a fix exists and its time frame is over."""
        return bool(self.fixed_in) and today > self.due_on

    def describe(self, today: date) -> str:
        """Return one line."""
        fix = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "no fix yet"
        late = " OVERDUE" if self.is_overdue(today) else ""
        return (
            f"{self.package} {self.version}: {self.advisory}, {self.severity.lower()}, {fix},"
            f" due by {self.due_on}{late}"
        )


def read_findings(
    report: dict[str, Any], read_advisory: Callable[[str], dict[str, Any]]
) -> list[Finding]:
    """
    Return the findings of a report of pip-audit, the one due first first.

    read_advisory: returns the record of an id in the format of OSV.
    """
    found = []
    for dependency in report["dependencies"]:
        for vulnerability in dependency.get("vulns", []):
            names = [vulnerability["id"], *vulnerability.get("aliases", [])]
            severity, published_on = _rate([read_advisory(name) for name in names])
            found.append(
                Finding(
                    package=dependency["name"],
                    version=dependency["version"],
                    advisory=vulnerability["id"],
                    severity=severity,
                    published_on=published_on,
                    fixed_in=vulnerability["fix_versions"],
                )
            )
    return sorted(found, key=lambda finding: (finding.due_on, finding.package, finding.advisory))


def days_since_upgrade(today: date) -> int:
    """Return how old the versions of the locks are."""
    return (today - date.fromisoformat(UPGRADED_ON.read_text().strip())).days


def main(sets: list[str]) -> int:
    """Print the findings of sets of requirements; return the exit code."""
    today = datetime.now(UTC).date()
    is_overdue = False
    age = days_since_upgrade(today)
    if age > DAYS_BETWEEN_UPGRADES:
        is_overdue = True
        print(f"Versions are {age} days old, {DAYS_BETWEEN_UPGRADES} at most: bin/lock --upgrade")
    for name in sets:
        try:
            findings = read_findings(_run_pip_audit(name), _read_advisory)
        except DatabaseUnreachable:
            print(
                "No advisory database can be reached from here: nothing is known about"
                " vulnerabilities.",
                file=sys.stderr,
            )
            return EXIT_UNREACHABLE
        print(f"requirements/{name}.lock: {len(findings)} known vulnerabilities")
        for finding in findings:
            print(f"  {finding.describe(today)}")
        is_overdue |= any(finding.is_overdue(today) for finding in findings)
    return EXIT_OVERDUE if is_overdue else 0


def _rate(records: list[dict[str, Any]]) -> tuple[str, date]:
    """Return the highest severity and the first publication among the records of one advisory."""
    severities = [
        str(record.get("database_specific", {}).get("severity", "")).upper() for record in records
    ]
    known = [severity for severity in DAYS_TO_FIX if severity in severities]
    first = min(datetime.fromisoformat(record["published"]).date() for record in records)
    return known[0] if known else _UNKNOWN_SEVERITY, first


def _run_pip_audit(name: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--format", "json"]
    options = ["--aliases", "on", "--vulnerability-service", "osv", "--disable-pip"]
    lock = ["--require-hashes", "--requirement", str(ROOT / "requirements" / f"{name}.lock")]
    completed = subprocess.run(
        [*command, *options, *lock], capture_output=True, text=True, check=False
    )
    try:
        report: dict[str, Any] = json.loads(completed.stdout)
    except ValueError:
        if any(sign in completed.stderr for sign in _SIGNS_OF_UNREACHABILITY):
            raise DatabaseUnreachable from None
        sys.stderr.write(completed.stderr)
        raise SystemExit(completed.returncode or 1) from None
    return report


def _read_advisory(name: str) -> dict[str, Any]:
    address = f"{_DATABASE}{quote(name, safe='')}"
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310  # https
            record: dict[str, Any] = json.load(response)
    except OSError as error:
        raise DatabaseUnreachable from error
    return record


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
