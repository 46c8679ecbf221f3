"""Texts that users see are marked for translation, and every marked one has a French text."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.embedded.stack import ROOT

APPS = ("config", "mlops", "vectors", "catalog", "customers", "competitors", "biometrics")
CATALOGUE = ROOT / "locale" / "fr" / "LC_MESSAGES" / "django.po"
# Arguments and class attributes whose text the console shows.
SHOWN = frozenset({"description", "label", "help_text", "title", "empty_label", "search_help_text"})
# Units, abbreviations and names that are the same in both languages.
SAME_IN_FRENCH = re.compile(
    r"\b(THC|CBD|GTIN|SKU|PSI|KS|(IVF_)?FLAT|robots\.txt|Crawl-delay|manage\.py \w+|ms|ml"
    r"|Cultivar|Kafka)\b"
)


def unmarked_in_module(source: str) -> Iterator[str]:
    """Yield the texts of an admin module that users see and that are plain strings."""
    for node in ast.walk(ast.parse(source)):
        for value in _shown_values(node):
            if isinstance(value, ast.JoinedStr):
                texts = [part.value for part in value.values if isinstance(part, ast.Constant)]
            else:
                texts = [value.value] if isinstance(value, ast.Constant) else []
            yield from (text for text in texts if isinstance(text, str) and _has_words(text))


def _shown_values(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call):
        yield from (keyword.value for keyword in node.keywords if keyword.arg in SHOWN)
        function = node.func
        is_message = (
            isinstance(function, ast.Attribute)
            and isinstance(function.value, ast.Name)
            and function.value.id == "messages"
        )
        if is_message and len(node.args) > 1:
            yield node.args[1]
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value in ("title", "description"):
                yield value


def unmarked_in_template(source: str) -> Iterator[str]:
    """Yield the texts of a template that stand outside of its translation tags."""
    text = re.sub(r"{%\s*blocktrans.*?endblocktrans\w*\s*%}", "", source, flags=re.DOTALL)
    yield from re.findall(r'title="([A-Za-z][^"{]*)"', text)
    text = re.sub(r"<(script|style).*?</\1>", "", text, flags=re.DOTALL)
    text = re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}", " ", text, flags=re.DOTALL)
    for part in re.sub(r"<[^>]*>", "\n", text).splitlines():
        if _has_words(part):
            yield part.strip()


def _has_words(text: str) -> bool:
    return bool(re.search(r"[A-Za-z]{2,}", SAME_IN_FRENCH.sub("", text)))


def _admin_modules() -> list[Path]:
    return [
        path
        for app in APPS
        for path in [*(ROOT / app).glob("admin/**/*.py"), *(ROOT / app).glob("admin.py")]
    ]


def test_texts_of_console_modules_are_marked() -> None:
    modules = _admin_modules()

    unmarked = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in modules
        for text in unmarked_in_module(path.read_text(encoding="utf-8"))
    ]

    assert len(modules) > 40
    assert not unmarked, "use gettext: " + "; ".join(unmarked)


def test_texts_of_templates_are_marked() -> None:
    templates = list((ROOT / "templates").rglob("*.html"))

    unmarked = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in templates
        for text in unmarked_in_template(path.read_text(encoding="utf-8"))
    ]

    assert len(templates) > 40
    assert not unmarked, "use translate: " + "; ".join(unmarked)


def test_every_message_has_a_french_text() -> None:
    entries = CATALOGUE.read_text(encoding="utf-8").split("\n\n")[1:]

    missing = [
        entry
        for entry in entries
        if "#, fuzzy" in entry or re.search(r'^msgstr(\[\d\])? ""\n?$(?!\n")', entry, re.MULTILINE)
    ]

    assert len(entries) > 1_000
    assert not missing, "\n\n".join(missing)


@pytest.mark.parametrize(
    "source",
    [
        'messages.success(request, "Saved.")',
        'messages.error(request, f"{name} is locked.")',
        '@admin.display(description="merged")\ndef f(): ...',
        'page = {"title": "Streams"}',
    ],
)
def test_unmarked_texts_of_modules_are_found(source: str) -> None:
    assert list(unmarked_in_module(source))


@pytest.mark.parametrize(
    "source",
    ['messages.success(request, _("Saved."))', 'description=_("merged")', 'f(label=f"{a}: {b}")'],
)
def test_marked_texts_of_modules_pass(source: str) -> None:
    assert not list(unmarked_in_module(source))


@pytest.mark.parametrize(
    "source", ["<p>Nothing waits.</p>", '{% component "c" with title="Rules" %}', "{{ n }} rows"]
)
def test_unmarked_texts_of_templates_are_found(source: str) -> None:
    assert list(unmarked_in_template(source))


@pytest.mark.parametrize(
    "source",
    [
        '<p>{% translate "Nothing waits." %}</p>',
        "{% blocktranslate %}{{ n }} rows{% endblocktranslate %}",
        "<td>{{ grams }} g · THC</td>",
        "<script>const rows = 1;</script>",
    ],
)
def test_marked_texts_of_templates_pass(source: str) -> None:
    assert not list(unmarked_in_template(source))
