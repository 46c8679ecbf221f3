"""Rules of the security linters are suppressed only with a reason."""

import re

from config.embedded.stack import ROOT
from config.embedded.test import PACKAGES

_NOQA = re.compile(r"# noqa: [A-Z0-9, ]*\bS\d{3}[A-Z0-9, ]*(?P<rest>.*)")
_NOSEC = re.compile(r"# nosec\b(?P<rest>.*)")


def test_every_suppressed_rule_in_the_code_has_its_reason() -> None:
    unexplained = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            lines = path.read_text().splitlines()
            for number, line in enumerate(lines):
                match = _NOQA.search(line)
                if match and not re.search(r"[#-]\s*\w+", match["rest"]):
                    unexplained.append(f"{path.relative_to(ROOT)}:{number + 1}")
                match = _NOSEC.search(line)
                if match and not re.match(r" B\d{3}  # \w+", match["rest"]):
                    unexplained.append(f"{path.relative_to(ROOT)}:{number + 1}")

    assert unexplained == []


def test_every_suppressed_rule_in_the_settings_has_its_reason() -> None:
    settings = (ROOT / "pyproject.toml").read_text()
    section = settings.split("[tool.ruff.lint.per-file-ignores]")[1].split("\n[")[0]
    rules = [line for line in section.splitlines() if re.search(r"\"S\d*\"", line)]

    assert rules
    assert not [line for line in rules if not re.search(r"\] # \w+", line)]
