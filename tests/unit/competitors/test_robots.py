"""robots.txt: files as shops serve them, judged URL by URL."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from competitors.ingest.robots import (
    MAX_CRAWL_DELAY_SECONDS,
    MAX_ROBOTS_BYTES,
    RobotsDecision,
    read_robots,
    with_last_good,
)

_ORIGIN = "https://shop.example.com"
_NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
_ALL = "User-agent: *\nDisallow: /"
_CHALLENGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"


def _read(
    text: str | bytes, status: int | None = 200, content_type: str = "text/plain"
) -> RobotsDecision:
    body = text.encode() if isinstance(text, str) else text
    return read_robots(body, status, content_type)


# Each: file, allowed paths, forbidden paths. Words are separated by spaces.
_FILES: dict[str, tuple[str | bytes, str, str]] = {
    "empty file": ("", "/ /a", ""),
    "only comments": ("# welcome\n#Disallow: /", "/ /a", ""),
    "all forbidden": (_ALL, "/robots.txt", "/ /a /a/b?c=d"),
    "nothing forbidden": ("User-agent: *\nDisallow:", "/ /a", ""),
    "only another crawler forbidden": ("User-agent: BadBot\nDisallow: /", "/ /a", ""),
    "rules without agent": ("Disallow: /", "/ /a", ""),
    "own group replaces that for all": (
        "User-agent: *\nDisallow: /\n\nUser-agent: CultivarBot\nDisallow: /cart",
        "/ /menu",
        "/cart /cart/1",
    ),
    "own group first": (
        "User-agent: CultivarBot\nDisallow: /cart\n\nUser-agent: *\nDisallow: /",
        "/menu",
        "/cart",
    ),
    "own groups are combined": (
        "User-agent: CultivarBot\nDisallow: /a\n\nUser-agent: x\nDisallow: /x\n\n"
        "User-agent: cultivarbot\nDisallow: /b",
        "/c /x",
        "/a /b",
    ),
    "groups for all are combined": (
        "User-agent: *\nDisallow: /a\n\nUser-agent: *\nDisallow: /b",
        "/c",
        "/a /b",
    ),
    "name in capitals with a version": ("User-agent: CULTIVARBOT/2.1\nDisallow: /a", "/b", "/a"),
    "name with a wildcard": ("User-agent: CultivarBot*\nDisallow: /a", "/b", "/a"),
    "names in one line": ("User-agent: Googlebot, CultivarBot\nDisallow: /a", "/b", "/a"),
    "part of the name is another crawler": ("User-agent: Cultivar\nDisallow: /", "/a", ""),
    "longer name is another crawler": ("User-agent: CultivarBot-Images\nDisallow: /", "/a", ""),
    "name inside another": ("User-agent: MyCultivarBot\nDisallow: /", "/a", ""),
    "several agents of one group": (
        "User-agent: a\nUser-agent: CultivarBot\nUser-agent: b\nDisallow: /a",
        "/b",
        "/a",
    ),
    "Crawl-delay between agents does not split the group": (
        "User-agent: a\nCrawl-delay: 5\nUser-agent: CultivarBot\nDisallow: /a",
        "/b",
        "/a",
    ),
    "Crawl-delay between our name and another": (
        "User-agent: CultivarBot\nCrawl-delay: 5\nUser-agent: b\nDisallow: /a",
        "/b",
        "/a",
    ),
    "Sitemap between agents does not split the group": (
        "User-agent: CultivarBot\nSitemap: https://shop.example.com/s.xml\nUser-agent: b\n"
        "Disallow: /a",
        "/b",
        "/a",
    ),
    "blank lines do not split the group": (
        "User-agent: CultivarBot\n\n\nUser-agent: b\n\nDisallow: /a\n\nDisallow: /b",
        "/c",
        "/a /b",
    ),
    "byte order mark": ("\ufeffUser-agent: *\nDisallow: /a", "/b", "/a"),
    "byte order mark and comment": ("\ufeff# file\nUser-agent: *\nDisallow: /a", "/b", "/a"),
    "two byte order marks": ("\ufeff\ufeffUser-agent: *\nDisallow: /a", "/b", "/a"),
    "byte order mark within": ("User-agent: *\n\ufeffDisallow: /a", "/b", "/a"),
    "UTF-16 with mark": ("User-agent: *\nDisallow: /é".encode("utf-16"), "/b", "/é /%C3%A9"),
    "UTF-16 little-endian": ("User-agent: *\nDisallow: /a".encode("utf-16-le"), "/b", "/a"),
    "UTF-16 big-endian": ("User-agent: *\nDisallow: /a".encode("utf-16-be"), "/b", "/a"),
    "UTF-32 with mark": ("User-agent: *\nDisallow: /a".encode("utf-32"), "/b", "/a"),
    "Latin-1": (
        "# Québec\nUser-agent: *\nDisallow: /caf\xe9".encode("latin-1"),
        "/caf",
        "/café /caf%C3%A9 /caf%E9",
    ),
    "CRLF": ("User-agent: *\r\nDisallow: /a\r\n", "/b", "/a"),
    "CR": ("User-agent: *\rDisallow: /a\rAllow: /a/b", "/b /a/b", "/a"),
    "mixed line ends": (
        "User-agent: *\rDisallow: /a\r\nDisallow: /b\nDisallow: /c",
        "/d",
        "/a /b /c",
    ),
    "line separator is no line end": (
        "User-agent: *\nDisallow: /a\u2028b\nDisallow: /c\x0bd\nDisallow: /e\x85f",
        "/a /c /e /b /d /f",
        "",
    ),
    "NUL bytes": (b"User-agent: *\n\0Disallow: /a\0", "/b", "/a"),
    "tabs and spaces": ("  User-agent :\t*  \n\tDisallow\t:   /a  ", "/b", "/a"),
    "fields in capitals": ("USER-AGENT: *\nDISALLOW: /a", "/b /A", "/a"),
    "misspelled fields": (
        "Useragent: *\nDissallow: /a\nDisalow: /b\nDissalow: /c\nDiasllow: /d",
        "/e",
        "/a /b /c /d",
    ),
    "fields without colon": ("User-agent *\nDisallow /a", "/b", "/a"),
    "comment after a rule": ("User-agent: * # all\nDisallow: /a # not this", "/b", "/a"),
    "unknown fields": ("User-agent: *\nNoindex: /x\nDisallow: /a\nFoo: /b", "/b /x", "/a"),
    "page between rules": ("User-agent: *\nDisallow: /a\n<b>note</b>\nDisallow: /b", "/c", "/a /b"),
    "prefix": (
        "User-agent: *\nDisallow: /fish",
        "/Fish.asp /catfish /",
        "/fish /fish.html /fishheads",
    ),
    "folder": ("User-agent: *\nDisallow: /fish/", "/fish /fish.html", "/fish/ /fish/salmon"),
    "wildcard": ("User-agent: *\nDisallow: /*.php", "/ /a.html", "/a.php /b/a.php5 /a.php?x"),
    "wildcard and end": ("User-agent: *\nDisallow: /*.php$", "/a.php?x /a.php5", "/a.php /b/c.php"),
    "end": ("User-agent: *\nDisallow: /a$", "/ab /a/", "/a"),
    "home page alone": ("User-agent: *\nDisallow: /\nAllow: /$", "/", "/a"),
    "wildcard first": ("User-agent: *\nDisallow: *.pdf", "/a", "/a.pdf"),
    "wildcard within": (
        "User-agent: *\nDisallow: /fish*.php",
        "/Fish.PHP /fish",
        "/fish.php /fishy/a.php",
    ),
    "several wildcards": ("User-agent: *\nDisallow: /*/b/*/d", "/a/b/d", "/a/b/c/d"),
    "trailing wildcard": ("User-agent: *\nDisallow: /fish*", "/cat", "/fish /fishes"),
    "query": ("User-agent: *\nDisallow: /*?sort=", "/menu /menu?page=2", "/menu?sort=price"),
    "query of one page": ("User-agent: *\nDisallow: /menu?", "/menu /menu/a", "/menu? /menu?a=b"),
    "second parameter": ("User-agent: *\nDisallow: /*&page=", "/m?page=1", "/m?a=1&page=2"),
    "longest match allows": (
        "User-agent: *\nDisallow: /shop\nAllow: /shop/menu",
        "/shop/menu /shop/menu/1",
        "/shop /shop/cart",
    ),
    "longest match forbids": (
        "User-agent: *\nAllow: /shop\nDisallow: /shop/cart",
        "/shop /shop/menu",
        "/shop/cart",
    ),
    "order does not matter": ("User-agent: *\nAllow: /a/b\nDisallow: /a", "/a/b", "/a /a/c"),
    "equal length allows": ("User-agent: *\nDisallow: /a\nAllow: /a", "/a", ""),
    "equal length with wildcard allows": ("User-agent: *\nDisallow: /*b\nAllow: /ab", "/ab", "/cb"),
    "wildcard counts as length": (
        "User-agent: *\nAllow: /page\nDisallow: /*.htm",
        "/page /page/a",
        "/page.htm /a.htm",
    ),
    "escape in the rule": (
        "User-agent: *\nDisallow: /%7Ejoe/",
        "/joe",
        "/~joe/a /%7ejoe/a /%7Ejoe/",
    ),
    "escape in the URL": ("User-agent: *\nDisallow: /~joe/", "/joe", "/%7Ejoe/ /~joe/"),
    "letters beyond ASCII": ("User-agent: *\nDisallow: /été", "/ete", "/été /%C3%A9t%C3%A9"),
    "escaped slash is another path": ("User-agent: *\nDisallow: /a%2Fb", "/a/b", "/a%2fb /a%2Fb"),
    "escaped wildcard is a letter": ("User-agent: *\nDisallow: /a%2Ab", "/axb", "/a*b /a%2ab"),
    "dot segments": (
        "User-agent: *\nDisallow: /private",
        "/a/private",
        "/a/../private /a/%2e%2E/private /./private",
    ),
    "path without slash forbids": ("User-agent: *\nDisallow: cart", "/a", "/cart"),
    "path without slash allows nothing": (
        "User-agent: *\nDisallow: /\nAllow: cart",
        "",
        "/cart /a",
    ),
    "rule with a whole URL": (f"User-agent: *\nDisallow: {_ORIGIN}/cart", "/a", "/cart"),
    "case of paths": ("User-agent: *\nDisallow: /Cart", "/cart", "/Cart"),
    "Shopify": (
        "# we use Shopify\nUser-agent: *\nDisallow: /admin\nDisallow: /cart\n"
        "Disallow: /*/collections/*+*\nDisallow: /*/collections/*%2B*\nDisallow: /policies/\n"
        "Disallow: /search\nDisallow: /*?*variant=*&section_id=*\n\nUser-agent: adsbot-google\n"
        "Disallow: /checkouts/\n\nUser-agent: AhrefsBot\nCrawl-delay: 10\n"
        "Disallow: /admin\n\nUser-agent: Nutch\nDisallow: /",
        "/products.json?limit=250&page=2 /collections/flower /products/x?variant=1",
        "/admin /cart/add /search?q=x /en/collections/a+b /policies/refund",
    ),
    "WordPress": (
        "User-agent: *\nDisallow: /wp-admin/\nAllow: /wp-admin/admin-ajax.php\n\n"
        "Sitemap: https://shop.example.com/wp-sitemap.xml",
        "/wp-json/wc/store/products /wp-admin/admin-ajax.php?a=b",
        "/wp-admin/ /wp-admin/options.php",
    ),
}


@pytest.mark.parametrize("name", _FILES)
def test_file_allows_and_forbids(name: str) -> None:
    text, allowed, forbidden = _FILES[name]

    decision = _read(text)

    assert decision.state == "rules"
    assert [path for path in allowed.split() if not decision.allows(_ORIGIN + path)] == []
    assert [path for path in forbidden.split() if decision.allows(_ORIGIN + path)] == []


def test_url_without_path_is_the_home_page() -> None:
    decision = _read("User-agent: *\nDisallow: /")

    assert not decision.allows(_ORIGIN)
    assert not decision.allows(f"{_ORIGIN}?page=2")


def test_fragment_is_not_matched() -> None:
    decision = _read("User-agent: *\nDisallow: /*cart")

    assert decision.allows(f"{_ORIGIN}/menu#cart")


@pytest.mark.parametrize(
    ("status", "body", "state", "is_allowed"),
    [
        (200, b"", "rules", True),
        (204, b"", "rules", True),
        (400, b"", "missing", True),
        (404, _CHALLENGE, "missing", True),
        (410, b"", "missing", True),
        (401, b"", "refused", False),
        (403, _CHALLENGE, "refused", False),
        (451, b"", "refused", False),
        (429, b"", "unavailable", False),
        (408, b"", "unavailable", False),
        (500, b"", "unavailable", False),
        (503, _CHALLENGE, "unavailable", False),
        (520, b"", "unavailable", False),
        (None, b"", "unavailable", False),
        (202, b"", "unknown", False),
        (206, b"User-agent: *", "unknown", False),
        (301, b"", "unknown", False),
        (304, b"", "unknown", False),
    ],
)
def test_status_decides_where_there_is_no_file(
    status: int | None, body: bytes, state: str, is_allowed: bool
) -> None:
    decision = _read(body, status)

    assert (decision.state, decision.allows(f"{_ORIGIN}/menu")) == (state, is_allowed)
    assert decision.allows(f"{_ORIGIN}/robots.txt")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (_CHALLENGE, "text/html"),
        (_CHALLENGE, "text/plain"),
        (_CHALLENGE, ""),
        (b"\xef\xbb\xbf\r\n  <html><body>User-agent: *\nDisallow:</body></html>", "text/plain"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "application/xml"),
        (b"<script>window.location='/age'</script>", "text/html; charset=utf-8"),
        (b'{"error": "forbidden"}', "application/json"),
        (b"[]", "application/json"),
        (b"error code: 1020", "text/plain"),
        (b"Access denied", "text/plain"),
        (b"Please enable cookies", "text/html"),
        (b"# block\nbody { color: red }", "text/html"),
        (b"Request unsuccessful. Incapsula incident ID: 1-2", "text/html"),
    ],
)
def test_other_page_instead_of_rules_is_unknown_and_allows_nothing(
    body: bytes, content_type: str
) -> None:
    decision = _read(body, content_type=content_type)

    assert decision.state == "unknown"
    assert not decision.allows(f"{_ORIGIN}/menu")


def test_rules_that_are_labelled_as_a_page_are_read() -> None:
    decision = _read("User-agent: *\nDisallow: /a", content_type="text/html")

    assert decision.state == "rules"
    assert decision.allows(f"{_ORIGIN}/b")
    assert not decision.allows(f"{_ORIGIN}/a")


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ("Crawl-delay: 5", 5),
        ("Crawl-delay: 0.5", 0.5),
        ("Crawl-delay: 1,5", 1.5),
        ("Crawl-delay: .5", 0.5),
        ("crawl-delay:10 # seconds", 10),
        ("Crawl-delay: 10s", 10),
        ("Crawl-delay: 10 seconds", 10),
        ("Crawl delay: 4", 4),
        ("Crawl-delay 4", 4),
        ("Crawl-delay: 0", 0),
        ("Crawl-delay: 86400", MAX_CRAWL_DELAY_SECONDS),
        ("Crawl-delay: 99999999999999999999", MAX_CRAWL_DELAY_SECONDS),
        ("Crawl-delay: 5\nCrawl-delay: 20\nCrawl-delay: 10", 20),
        ("Request-rate: 1/5", 5),
        ("Request-rate: 10/1m", 6),
        ("Request-rate: 1/10s 0800-1700", 10),
        ("Request-rate: 1/5\nCrawl-delay: 2", 5),
        ("Crawl-delay: -5", None),
        ("Crawl-delay: inf", None),
        ("Crawl-delay: nan", None),
        ("Crawl-delay: 1e9", None),
        ("Crawl-delay: soon", None),
        ("Crawl-delay:", None),
        ("Request-rate: 0/5", None),
        ("Request-rate: 5", None),
    ],
)
def test_delay_is_read(lines: str, seconds: float | None) -> None:
    decision = _read(f"User-agent: *\nDisallow: /a\n{lines}")

    assert decision.crawl_delay_seconds == seconds


def test_delay_of_another_group_does_not_apply() -> None:
    decision = _read(
        "User-agent: *\nCrawl-delay: 60\nDisallow:\n\n"
        "User-agent: CultivarBot\nCrawl-delay: 2\nDisallow: /a"
    )

    assert decision.crawl_delay_seconds == 2


def test_delay_between_agents_applies_to_the_group() -> None:
    decision = _read("User-agent: a\nCrawl-delay: 5\nUser-agent: CultivarBot\nDisallow: /a")

    assert decision.crawl_delay_seconds == 5


def test_visit_time_is_in_utc_and_may_span_midnight() -> None:
    day = _read("User-agent: *\nVisit-time: 0600-0845")
    night = replace(day, visit_time=(time(22), time(4)))

    assert day.visit_time == (time(6), time(8, 45))
    assert [day.is_visit_time(_NOW.replace(hour=hour)) for hour in (5, 6, 12)] == [
        False,
        True,
        False,
    ]
    assert [night.is_visit_time(_NOW.replace(hour=hour)) for hour in (21, 23, 3, 5)] == [
        False,
        True,
        True,
        False,
    ]


def test_file_is_read_up_to_the_limit_and_half_a_rule_is_not() -> None:
    head = b"User-agent: *\nDisallow: /first\n"
    padding = b"#" * (MAX_ROBOTS_BYTES - len(head) - 12) + b"\n"
    decision = _read(head + padding + b"Disallow: /private\nDisallow: /last\n")

    assert not decision.allows(f"{_ORIGIN}/first")
    assert decision.allows(f"{_ORIGIN}/menu")
    assert decision.allows(f"{_ORIGIN}/last")


@pytest.mark.parametrize(
    ("status", "state"), [(503, "unavailable"), (None, "unavailable"), (202, "unknown")]
)
def test_last_good_decision_is_used_until_it_expires(status: int | None, state: str) -> None:
    good = _read("User-agent: *\nDisallow: /a")
    current = _read(b"", status)

    fresh = with_last_good(current, good, read_at=_NOW - timedelta(hours=23), now=_NOW)
    expired = with_last_good(current, good, read_at=_NOW - timedelta(hours=25), now=_NOW)

    assert fresh.allows(f"{_ORIGIN}/b")
    assert not fresh.allows(f"{_ORIGIN}/a")
    assert expired.state == state
    assert not expired.allows(f"{_ORIGIN}/b")


def test_refusal_takes_effect_at_once() -> None:
    good = _read("User-agent: *\nDisallow: /a")

    decision = with_last_good(_read(b"", 403), good, read_at=_NOW, now=_NOW)

    assert not decision.allows(f"{_ORIGIN}/b")


def test_unknown_decision_is_no_good_one() -> None:
    current = _read(b"", 503)

    decision = with_last_good(current, _read(_CHALLENGE), read_at=_NOW, now=_NOW)

    assert decision == current


@given(body=st.binary(max_size=300), path=st.text(max_size=20))
def test_any_bytes_are_decided(body: bytes, path: str) -> None:
    for text in (body, b"User-agent: *\n" + body):
        decision = read_robots(text, 200, "text/plain")

        assert isinstance(decision.allows(f"{_ORIGIN}/{path}"), bool)


_RULES = st.lists(
    st.tuples(
        st.sampled_from(["Allow", "Disallow"]), st.from_regex(r"/[ab/*]{0,4}\$?", fullmatch=True)
    ),
    max_size=6,
)


@given(rules=_RULES, path=st.from_regex(r"/[ab/]{0,6}", fullmatch=True))
def test_spelling_of_a_file_changes_no_decision(rules: list[tuple[str, str]], path: str) -> None:
    lines = ["User-agent: CultivarBot", *(f"{name}: {value}" for name, value in rules)]
    plain = _read("\n".join(lines)).allows(_ORIGIN + path)
    spelled = ["\ufeffUser-agent: x", "Crawl-delay: 1", f"USER-AGENT: cultivarbot/1.0 # {path}"]
    spelled += [f" {name.upper()} : {value} # a" for name, value in reversed(rules)]

    assert _read("\r\n".join(spelled)).allows(_ORIGIN + path) == plain
    assert _read("\r".join(spelled).encode("utf-16")).allows(_ORIGIN + path) == plain
