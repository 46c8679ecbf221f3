"""The project uses the field's words: the private ones in private_words.tsv do not come back."""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from config.embedded.stack import ROOT

FOLDER = Path(__file__).parent
CHECKED = re.compile(r"\.(py|md|html|sh|toml|txt|sql)$|^bin/")
SKIPPED = re.compile(r"(^|/)migrations/0|^tests/samples/|requirements|LICENSE")


class Word(NamedTuple):
    """A private word and the words to use instead."""

    pattern: re.Pattern[str]
    replacement: str


class PlainUse(NamedTuple):
    """A line that may contain a word of the list, since it is the right word there."""

    file: str
    text: str
    reason: str


def _rows(name: str) -> list[list[str]]:
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


WORDS = [Word(re.compile(pattern, re.I), advice) for pattern, advice in _rows("private_words.tsv")]
PLAIN_USES = [PlainUse(*row) for row in _rows("plain_uses.tsv")]


def _separate_words(text: str) -> str:
    """Split identifiers into words: `snake_case` and `camelCase` become separate words."""
    return re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text).replace("_", " ")


def _findings(file: str, line: str) -> list[Word]:
    if any(use.file == file and use.text in line for use in PLAIN_USES):
        return []
    return [word for word in WORDS if word.pattern.search(line) or _found_in_name(word, line)]


def _found_in_name(word: Word, line: str) -> bool:
    return bool(word.pattern.search(_separate_words(line)))


def _checked_files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = listed.stdout.split("\n") if listed.returncode == 0 else _files_without_git()
    return [name for name in names if CHECKED.search(name) and not SKIPPED.search(name)]


def _files_without_git() -> list[str]:
    """Return the files of an unpacked archive, which has no repository to ask."""
    hidden = re.compile(r"(^|/)(\.venv|var|__pycache__)/")
    names = (path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file())
    return [name for name in names if not hidden.search(name)]


def test_no_private_word_comes_back() -> None:
    findings = []
    for file in _checked_files():
        path = ROOT / file
        if not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            findings += [
                f"{file}:{number}: write {word.replacement}: {line.strip()[:100]}"
                for word in _findings(file, line)
            ]

    assert not findings, "\n" + "\n".join(findings)


@pytest.mark.parametrize(
    "line",
    ["def told_of(answer):", "class ToldRows:", '"""What of a product leaves."""', "kept = rows()"],
)
def test_private_words_are_found(line: str) -> None:
    assert _findings("catalog/models.py", line)


@pytest.mark.parametrize(
    "line", ["def serialize_rows(result):", '"""Product serializers."""', "cached = rows()"]
)
def test_plain_words_pass(line: str) -> None:
    assert not _findings("catalog/models.py", line)


def test_every_exception_is_still_needed() -> None:
    unused = [
        use
        for use in PLAIN_USES
        if not (ROOT / use.file).is_file() or use.text not in (ROOT / use.file).read_text("utf-8")
    ]

    assert not unused


def test_every_exception_has_a_reason() -> None:
    assert all(use.reason.strip() for use in PLAIN_USES)
