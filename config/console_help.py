"""Sections of docs/console.md: their texts as HTML, and the pages of the console they describe."""

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from django.utils.text import slugify
from markdown_it import MarkdownIt
from markdown_it.token import Token

HELP_FILE = Path(__file__).resolve().parent.parent / "docs" / "console.md"
_PAGES = re.compile(r"<!-- pages: ([\w\s-]+) -->")
_DOCUMENT = re.compile(r"[\w/-]+\.md(#[\w-]+)?")
_CLASSES = {
    "h1": "font-semibold text-font-important-light dark:text-font-important-dark text-xl mb-4",
    "h2": "font-semibold text-font-important-light dark:text-font-important-dark text-lg mt-8 mb-3",
    "h3": "font-semibold text-font-important-light dark:text-font-important-dark mt-6 mb-2",
    "p": "mb-3",
    "ul": "list-disc pl-5 mb-3",
}


@dataclass(slots=True, kw_only=True)
class Section:
    """
    A heading with the text below it.

    level: 1 to 3. pages: beginnings of the URL names of the pages that it describes.
    """

    anchor: str
    title: str
    level: int
    pages: tuple[str, ...] = ()
    tokens: list[Token] = field(default_factory=list)

    @property
    def html(self) -> str:
        """Heading and text as HTML."""
        return str(_markdown().renderer.render(self.tokens, _markdown().options, {}))


@cache
def help_sections() -> tuple[Section, ...]:
    """Return the sections of the file, in order."""
    return parse_sections(HELP_FILE.read_text())


def parse_sections(text: str) -> tuple[Section, ...]:
    """Return the sections of a Markdown text that begins with a heading."""
    sections: list[Section] = []
    tokens = _markdown().parse(text)
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and following is not None:
            anchor = slugify(following.content)
            sections.append(
                Section(anchor=anchor, title=following.content, level=int(token.tag[1]))
            )
            token.attrSet("id", anchor)
        if token.type == "html_block":
            if match := _PAGES.search(token.content):
                sections[-1].pages = tuple(match[1].split())
            continue
        if token.nesting == 1 and token.tag in _CLASSES:
            token.attrSet("class", _CLASSES[token.tag])
        _show_as_text(token.children or [])
        sections[-1].tokens.append(token)
    return tuple(sections)


def find_section(url_name: str) -> Section | None:
    """Return the section with the longest name of pages that a URL name begins with."""
    matching = [
        (len(page), section)
        for section in help_sections()
        for page in section.pages
        if url_name == page or url_name.startswith(f"{page}_")
    ]
    return max(matching, key=lambda pair: pair[0])[1] if matching else None


def _show_as_text(children: list[Token]) -> None:
    """Show links to other documents in italics: the console does not serve them."""
    is_document = False
    for token in children:
        if token.type == "link_open":
            is_document = _DOCUMENT.fullmatch(str(token.attrGet("href"))) is not None
        if token.type in {"link_open", "link_close"} and is_document:
            token.tag = "em"
            token.attrs = {}


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark").enable("table")
