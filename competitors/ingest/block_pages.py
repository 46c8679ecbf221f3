"""
Recognition of pages that stand in for a menu: challenges, login walls, errors, empty answers.

A page of a bot manager often has status 200, and an ordinary menu often loads a script of a bot
manager or mentions one in its text. A page is therefore judged by its structure: parts that the
wall alone has, the title as a whole, the absence of products; never by a word within a menu.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from lxml import etree  # type: ignore[import-untyped]  # its stubs are a package of their own
from parsel import Selector

from competitors.ingest.block_patterns import (
    JSON_ERRORS,
    LOGIN_TITLES,
    WALL_PARTS,
    WALL_SENTENCES,
    WALL_TITLES,
    BlockKind,
)

# A page with more text than this is not a wall, whatever it mentions.
_MAX_WALL_TEXT = 2_500
# Answers of errors are short; longer ones are left to the platform.
_MAX_PLAIN_TEXT = 600
_MAX_JSON_ERROR = 64_000
_MAX_PAGE = 3_000_000
_MIN_TEXT = 40
_MIN_PRICES_OF_A_MENU = 3
_MAX_REASON = 120

_STATUS_BLOCKS: Mapping[int, tuple[BlockKind, str]] = {
    401: ("login", "a login is required"),
    402: ("access_denied", "the shop is not served"),
    403: ("access_denied", "access is refused"),
    404: ("not_found", "the page does not exist"),
    410: ("not_found", "the page was removed"),
    423: ("login", "the shop is locked"),
    429: ("rate_limited", "too many requests"),
    430: ("rate_limited", "too many requests"),
    451: ("access_denied", "the page is not available for legal reasons"),
    503: ("maintenance", "the service is unavailable"),
}
_OK = range(200, 300)
_MIN_ERROR_STATUS = 400
_MIN_SERVER_ERROR = 500

_LOOKS_LIKE_HTML = re.compile(r"<(?:!doctype|html|head|body|title|meta|div|script|h1|p)\b", re.I)
_PRODUCT_DATA = re.compile(
    r"""["']@type["']\s*:\s*(?:\[\s*)?["'](?:https?://schema\.org/|schema:)?(?:Product|Offer|Aggr|ItemList)"""
    r"""|itemtype\s*=\s*["']?https?://schema\.org/(?:Product|Offer)"""
    r"""|typeof\s*=\s*["']?(?:schema:)?(?:Product|Offer)\b"""
    r"""|["'](?:menuItems|filteredProducts)["']\s*:\s*[\[{]""",
    re.I,
)
_PRICE = re.compile(
    r"(?:CA?)?\$\s?\d{1,4}(?:[.,]\d{2})?(?!\d)|\b\d{1,4}[.,]\d{2}\s?(?:\$|CAD\b)", re.I
)
# Amounts without a sign, as some menus write prices.
_AMOUNT = re.compile(r"(?<![\d.,])\d{1,4}[.,]\d{2}(?![\d.,%])")
_INVISIBLE = ("script", "style", "template", "title")
_TITLE_SUFFIX = re.compile(r"\s+[|–—·•-]\s+.*$")
_PASSWORD_FIELD = re.compile(r"<input\b[^>]{0,300}type\s*=\s*[\"']?password\b", re.I)
_SHOP_PASSWORD = ("template-password", 'action="/password"', "action='/password'")
# Patterns over a whole page take longer than looking for a text that their matches contain.
_PRODUCT_DATA_MARKS = ("@type", "schema.org", "typeof", "menuitems", "filteredproducts")
_REFRESH = re.compile(
    r"<meta\b[^>]{0,80}http-equiv\s*=\s*[\"']?refresh[^>]{0,300}\burl\s*=[^>]{0,300}?"
    r"\b(?P<target>login|sign-?in|connexion|captcha|challenge|queue|age|maintenance)\b",
    re.I,
)
_REFRESH_KINDS: Mapping[str, BlockKind] = {
    "captcha": "challenge",
    "challenge": "challenge",
    "queue": "challenge",
    "age": "age_gate",
    "maintenance": "maintenance",
}
_LOGIN_URL = re.compile(r"/(?:login|sign-?in|connexion)\b", re.I)
_ERROR_KEYS = frozenset(
    {
        "error",
        "errors",
        "message",
        "msg",
        "code",
        "status",
        "statuscode",
        "status_code",
        "detail",
        "details",
        "title",
        "type",
        "success",
        "ok",
        "reason",
        "data",
        "extensions",
        "requestid",
        "request_id",
        "timestamp",
        "path",
        "instance",
        "trace_id",
        "error_description",
        "error_code",
        "documentation_url",
        "additional_data",
        "additional_errors",
    }
)
_CHALLENGE_KEYS = (
    frozenset({"appid", "blockscript"}),
    frozenset({"appid", "jsclientsrc"}),
    frozenset({"captcha_url"}),
    frozenset({"cpr_chlge"}),
    frozenset({"sec-cp-challenge"}),
)
_MAX_KEYS_OF_A_REDIRECT = 4


@dataclass(frozen=True, slots=True)
class Block:
    """Why a page is no menu. reason: a sentence part for staff."""

    kind: BlockKind
    reason: str


def find_block(
    status: int,
    content_type: str,
    body: bytes,
    headers: Mapping[str, str] | None = None,
) -> Block | None:
    """
    Return why a response is no page of a shop; None: it may be a menu.

    A status outside 200 to 299 is always a block; the body then decides its kind. headers: some
    walls show themselves there alone; names in any case.
    """
    text = _decode(body[:_MAX_PAGE])
    block = _block_of_headers(headers or {}) or _block_of_body(text, content_type, status)
    if status in _OK or (block is not None and block.kind != "empty"):
        return block
    return _block_of_status(status)


def _decode(body: bytes) -> str:
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return body.decode("utf-16", errors="replace").strip("\ufeff \t\r\n\0")
    return body.decode(errors="replace").strip("\ufeff \t\r\n\0")


def _block_of_status(status: int) -> Block:
    kind, reason = _STATUS_BLOCKS.get(status, ("empty", "no page was sent"))
    if status >= _MIN_ERROR_STATUS and status not in _STATUS_BLOCKS:
        is_server_error = status >= _MIN_SERVER_ERROR
        kind = "server_error" if is_server_error else "access_denied"
        reason = "the server failed" if is_server_error else "the request is refused"
    return Block(kind, f"status {status}: {reason}")


def _block_of_headers(headers: Mapping[str, str]) -> Block | None:
    marks = {name.lower(): value.lower() for name, value in headers.items()}
    if marks.get("cf-mitigated") == "challenge":
        return Block("challenge", "Cloudflare challenge (header cf-mitigated)")
    if marks.get("x-amzn-waf-action") in ("challenge", "captcha"):
        return Block("challenge", "AWS WAF challenge (header x-amzn-waf-action)")
    return None


def _block_of_body(text: str, content_type: str, status: int) -> Block | None:
    if not text:
        return Block("empty", "the page is empty")
    if text[0] in "{[":
        return _block_of_json(text, status)
    if _LOOKS_LIKE_HTML.search(text, 0, 20_000) or "html" in content_type.lower():
        return _block_of_html(_HtmlPage(text), status)
    if len(text) <= _MAX_PLAIN_TEXT:
        return _wall_part(text) or _wall_sentence(text)
    return None


# JSON


def _block_of_json(text: str, status: int) -> Block | None:
    """Return the block of a JSON answer: its keys decide, no text within products."""
    if len(text) > _MAX_JSON_ERROR:
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not document and isinstance(document, dict):
        return Block("empty", "the JSON document is empty")
    if not isinstance(document, dict):
        return None
    return _challenge_of_json(document) or _error_of_json(document, status)


def _challenge_of_json(document: Mapping[str, Any]) -> Block | None:
    keys = frozenset(key.lower() for key in document)
    if any(marks <= keys for marks in _CHALLENGE_KEYS):
        return Block("challenge", "the answer is a challenge")
    url = document.get("url") or document.get("redirect") or document.get("location")
    if isinstance(url, str) and len(document) <= _MAX_KEYS_OF_A_REDIRECT:
        if "captcha" in url.lower():
            return Block("challenge", "the answer leads to a captcha")
        if _LOGIN_URL.search(url):
            return Block("login", "the answer leads to a login page")
    return None


def _error_of_json(document: Mapping[str, Any], status: int) -> Block | None:
    keys = frozenset(key.lower() for key in document)
    if status < _MIN_ERROR_STATUS and (
        not keys <= _ERROR_KEYS or _has_content(document.get("data"))
    ):
        return None
    message = " ".join(_error_texts(document))[:2_000]
    for pattern, kind in JSON_ERRORS:
        if pattern.search(message):
            return Block(kind, f"the answer is an error: {_shorten(message)}")
    states_failure = document.get("success") is False or document.get("ok") is False
    if document.get("error") or document.get("errors") or states_failure:
        return Block("server_error", f"the answer is an error: {_shorten(message)}")
    return None


def _has_content(data: Any) -> bool:
    """Return whether the data of an answer have anything but nulls, numbers and texts."""
    if isinstance(data, dict):
        return any(isinstance(value, (list, dict)) and value for value in data.values())
    return isinstance(data, list) and bool(data)


def _error_texts(value: Any, depth: int = 0) -> Iterator[str]:
    if depth > 4:
        return
    if isinstance(value, dict):
        for key, entry in value.items():
            if key.lower() in _ERROR_KEYS:
                yield from _error_texts(entry, depth + 1)
    elif isinstance(value, list):
        for entry in value[:5]:
            yield from _error_texts(entry, depth + 1)
    elif isinstance(value, str):
        yield value[:300]
    elif isinstance(value, int) and value >= _MIN_ERROR_STATUS:
        yield str(value)


# HTML


@dataclass(frozen=True)
class _HtmlPage:
    markup: str

    @cached_property
    def selector(self) -> Selector:
        return Selector(text=self.markup, type="html")

    @cached_property
    def lowered(self) -> str:
        return self.markup.lower()

    @cached_property
    def title(self) -> str:
        """Title without the name of the site after a dash or bar."""
        texts = self.selector.xpath("(//title)[1]//text()").getall()
        return _TITLE_SUFFIX.sub("", " ".join(" ".join(texts).split()))

    @cached_property
    def text(self) -> str:
        """Text that a reader without JavaScript sees, without the title."""
        root = self.selector.root
        _ = self.title  # it is stripped below
        etree.strip_elements(root, *_INVISIBLE, with_tail=False)
        etree.strip_tags(root, etree.Comment)
        return " ".join(" ".join(root.itertext()).split())

    @property
    def is_short(self) -> bool:
        return len(self.text) <= _MAX_WALL_TEXT

    @cached_property
    def prices(self) -> int:
        """Number of amounts with a currency sign, up to three; not of the zero of a basket."""
        has_sign = "$" in self.text or "cad" in self.text.lower()
        return _count_amounts(_PRICE, self.text) if has_sign else 0

    @property
    def has_products(self) -> bool:
        may_have_data = any(mark in self.lowered for mark in _PRODUCT_DATA_MARKS)
        return (
            (may_have_data and _PRODUCT_DATA.search(self.markup) is not None)
            or self.prices >= _MIN_PRICES_OF_A_MENU
            or _count_amounts(_AMOUNT, self.text) >= _MIN_PRICES_OF_A_MENU
        )


def _count_amounts(pattern: re.Pattern[str], text: str) -> int:
    amounts = (match for match in pattern.finditer(text) if match[0].strip("$CAD .,0\u00a0"))
    return sum(1 for _ in islice(amounts, _MIN_PRICES_OF_A_MENU))


def _block_of_html(page: _HtmlPage, status: int) -> Block | None:
    if status < _MIN_ERROR_STATUS and page.has_products:
        return None
    checks = (_wall_of_page, _titled_wall, _login_form, _refresh, _sentence_of_page, _no_content)
    return next((block for check in checks if (block := check(page))), None)


def _wall_of_page(page: _HtmlPage) -> Block | None:
    return _wall_part(page.markup) if page.is_short else None


def _titled_wall(page: _HtmlPage) -> Block | None:
    if page.prices:
        return None
    for pattern, kind in WALL_TITLES:
        if pattern.fullmatch(page.title):
            return Block(kind, f"the title of the page is “{_shorten(page.title)}”")
    return None


def _login_form(page: _HtmlPage) -> Block | None:
    if any(mark in page.lowered for mark in _SHOP_PASSWORD):
        return Block("login", "the shop is closed by a password")
    if not (page.is_short or LOGIN_TITLES.fullmatch(page.title)):
        return None
    if "password" in page.lowered and _PASSWORD_FIELD.search(page.markup):
        return Block("login", "the page is a login form")
    return None


def _refresh(page: _HtmlPage) -> Block | None:
    match = _REFRESH.search(page.markup, 0, 20_000)
    if match is None:
        return None
    target = match["target"].lower()
    return Block(_REFRESH_KINDS.get(target, "login"), f"the page leads to a page “{target}”")


def _sentence_of_page(page: _HtmlPage) -> Block | None:
    if not page.is_short or page.prices:
        return None
    return _wall_sentence(page.text)


def _no_content(page: _HtmlPage) -> Block | None:
    if len(page.text) > _MIN_TEXT or page.prices:
        return None
    needs_script = "<script" in page.lowered
    reason = "has no content without JavaScript" if needs_script else "has almost no text"
    return Block("empty", f"the page {reason}")


def _wall_part(text: str) -> Block | None:
    for pattern, kind, reason in WALL_PARTS:
        if pattern.search(text):
            return Block(kind, reason)
    return None


def _wall_sentence(text: str) -> Block | None:
    for pattern, kind, reason in WALL_SENTENCES:
        if pattern.search(text):
            return Block(kind, reason)
    return None


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_REASON else text[: _MAX_REASON - 1] + "…"
