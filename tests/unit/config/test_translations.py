"""French catalogue: compiled as written, with a text for every message of the API."""

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

from config.embedded.stack import ROOT

CATALOGUE = ROOT / "locale" / "fr" / "LC_MESSAGES"
API_SOURCES = ("config/api", "config/errors.py", "*/api", "customers/services/chats.py")
_ENTRY = re.compile(r'^msgid ((?:".*"\n)+)msgstr ((?:".*"\n?)+)', re.MULTILINE)


def _entries() -> dict[str, str]:
    """Return the texts of the .po file by message; those without a text have an empty one."""
    text = (CATALOGUE / "django.po").read_text(encoding="utf-8")
    return {
        _unquote(message): _unquote(translation) for message, translation in _ENTRY.findall(text)
    }


def _unquote(lines: str) -> str:
    return "".join(ast.literal_eval(line) for line in lines.splitlines())


def _messages(path: Path) -> Iterator[str]:
    """Yield the messages that a module translates."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("_", "gettext")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value)


def _api_messages() -> set[str]:
    paths = [path for source in API_SOURCES for path in ROOT.glob(source)]
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*.py"))]
    return {message for file in files for message in _messages(file)}


def test_the_compiled_catalogue_is_the_written_one() -> None:
    with (CATALOGUE / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)

    stale = [
        message
        for message, translation in _entries().items()
        if message and translation and compiled.gettext(message) != translation
    ]

    assert not stale, "run: bin/manage compilemessages -l fr"


def test_every_message_of_the_api_is_in_french() -> None:
    entries = _entries()
    messages = _api_messages()

    missing = sorted(message for message in messages if not entries.get(message))

    assert len(messages) > 100
    assert not missing, "run: bin/manage makemessages -l fr, and translate: " + "; ".join(missing)


def test_translations_have_the_parameters_of_their_messages() -> None:
    parameter = re.compile(r"%\(\w+\)s|\{\w*\}")

    wrong = [
        message
        for message, translation in _entries().items()
        if translation
        and sorted(parameter.findall(message)) != sorted(parameter.findall(translation))
    ]

    assert not wrong
