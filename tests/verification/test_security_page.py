"""docs/security.md: each requirement of ASVS 5.0 levels 1 and 2 once, and files that exist."""

import re
from collections import Counter

from config.embedded.stack import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
STATES = {"yes", "deployment", "n/a"}
# Of OWASP ASVS 5.0.0: the numbers of the requirements of levels 1 and 2.
IDS = (ROOT / "tests" / "samples" / "asvs_5_level_2.txt").read_text().split()


def _rows() -> list[list[str]]:
    lines = [line for line in PAGE.splitlines() if re.match(r"\| \d", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_requirement_has_one_row() -> None:
    named = Counter(re.findall(r"\d+\.\d+\.\d+", " ".join(row[0] for row in _rows())))

    assert sorted(named) == sorted(IDS)
    assert set(named.values()) == {1}


def test_every_row_has_a_state_and_says_where() -> None:
    assert {row[1] for row in _rows()} == STATES
    assert all(len(row) == 3 and row[2] for row in _rows())


def test_named_files_exist() -> None:
    paths = set(re.findall(r"(?:config|tests|catalog|mlops)/[\w/]+(?:\.py)?", PAGE))

    assert len(paths) > 10
    assert not [
        path for path in paths if not (ROOT / path).exists() and not (ROOT / f"{path}.py").exists()
    ]
