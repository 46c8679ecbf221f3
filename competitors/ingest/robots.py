"""
Reader of robots.txt (RFC 9309): URLs that a crawl may request, and its delay.

The file is read into groups here, and only the rules for us, written plainly, are given to Protego,
which matches them: it loses the first group of a file with a byte order mark, splits groups at a
Crawl-delay between two User-agent lines, and breaks lines at letters that break none.

Decisions where the standard leaves a choice, each the one that requests less:
- 401, 403 and 451 forbid the site: a shop that does not serve the file does not invite crawlers.
- A challenge page, redirects without end or any other text instead of rules are "unknown", and
  nothing is requested.
- Several delays of our group count as the longest; Request-rate counts as a delay.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from urllib.parse import quote, urlsplit

from protego import Protego

CRAWLER_NAME = "CultivarBot"
MAX_ROBOTS_BYTES = 500 * 1024
"""Bytes of a file that are read, as RFC 9309 asks at least; the rest is ignored."""
MAX_CRAWL_DELAY_SECONDS = 600.0
"""A longer delay would end no crawl; it counts as this one."""
LAST_GOOD_MAX_AGE = timedelta(hours=24)
"""How long an earlier decision replaces one that the server does not give now."""
_UTF16_SAMPLE_BYTES = 64
_USER_AGENT_FIELDS = frozenset({"user-agent", "useragent", "user agent"})
# Misspellings that crawlers accept (those of Google's parser and Protego).
_FIELDS = {
    **dict.fromkeys(_USER_AGENT_FIELDS, "user-agent"),
    "allow": "allow",
    **dict.fromkeys(
        ("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw"), "disallow"
    ),
    **dict.fromkeys(("crawl-delay", "crawldelay", "crawl delay"), "crawl-delay"),
    **dict.fromkeys(("request-rate", "request rate"), "request-rate"),
    **dict.fromkeys(("visit-time", "visit time"), "visit-time"),
}
# Fields of the whole site and of other crawlers: they make a text a robots.txt.
_OTHER_FIELDS = frozenset(
    {
        "cache-delay",
        "clean-param",
        "content-signal",
        "content-usage",
        "host",
        "indexpage",
        "license",
        "noarchive",
        "nofollow",
        "noindex",
        "site-map",
        "sitemap",
        "sitemaps",
    }
)
_OTHER = "other"
_MARKUP = re.compile(r"\s*(?:<[!?a-zA-Z]|[\[{])")
_TOKEN = re.compile(r"[a-z_-]+")
_DELAY = re.compile(
    r"(\d{1,30}(?:[.,]\d{0,9})?|[.,]\d{1,9})\s*(?:s|secs?|seconds?)?", re.IGNORECASE
)
_URL_CHARACTERS = "%/?#[]@!$&'()*+,;=:-._~\"<>\\^`{|} "
_DOT_SEGMENT = re.compile(r"(?i)%2e")


class RobotsState(StrEnum):
    """Kind of response that a decision was made from."""

    RULES = "rules"
    MISSING = "missing"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"


_KNOWN_STATES = frozenset({RobotsState.RULES, RobotsState.MISSING})


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotsDecision:
    """
    Rules of the robots.txt of an origin (scheme, host and port) for our crawler.

    crawl_delay_seconds: minimum interval between requests; None: not stated. visit_time: UTC times
    between which requests are welcome; None: always. reason: one line for staff.
    """

    state: RobotsState
    reason: str
    crawl_delay_seconds: float | None = None
    visit_time: tuple[time, time] | None = None
    _rules: Protego | None = field(default=None, repr=False, compare=False)

    def allows(self, url: str) -> bool:
        """Return whether a URL of the origin may be requested; robots.txt itself always may."""
        if urlsplit(url).path == "/robots.txt":
            return True
        if self._rules is None:
            return self.state == RobotsState.MISSING
        # A server may resolve "/a/../b" itself, so both spellings must be allowed.
        spellings = {url, _without_dot_segments(url)}
        return all(self._rules.can_fetch(spelling, CRAWLER_NAME) for spelling in spellings)

    def is_visit_time(self, now: datetime) -> bool:
        """Return whether requests are welcome at a time with time zone."""
        if self.visit_time is None:
            return True
        start, end = self.visit_time
        current = now.astimezone(UTC).time()
        if start <= end:
            return start <= current <= end
        return current >= start or current <= end


def read_robots(
    body: bytes, status: int | None, content_type: str = "", *, crawler_name: str = CRAWLER_NAME
) -> RobotsDecision:
    """
    Read the response to a request for robots.txt, after at most five redirects.

    body: decompressed. status: None when no response came. crawler_name: our name in User-agent
    lines; without a group for it, that for "*" applies.
    """
    problem = _problem_of_status(status)
    if problem is not None:
        return problem
    text = _decode(body[:MAX_ROBOTS_BYTES], is_whole=len(body) <= MAX_ROBOTS_BYTES)
    lines = list(_read_lines(text))
    if _is_other_content(text, lines, content_type):
        return RobotsDecision(
            state=RobotsState.UNKNOWN,
            reason="robots.txt is another page, perhaps a challenge: nothing is requested",
        )
    groups = _read_groups(lines)
    name, rules = _rules_for(groups, crawler_name.lower())
    if not rules:
        return RobotsDecision(
            state=RobotsState.RULES, reason="robots.txt has no rules for us", _rules=Protego()
        )
    parsed = Protego.parse("\n".join([f"User-agent: {CRAWLER_NAME}", *_plain_rules(rules)]))
    visit_time = parsed.visit_time(CRAWLER_NAME)
    return RobotsDecision(
        state=RobotsState.RULES,
        reason=f"robots.txt has rules for {name}",
        crawl_delay_seconds=_crawl_delay(rules),
        visit_time=(visit_time.start_time, visit_time.end_time) if visit_time else None,
        _rules=parsed,
    )


def with_last_good(
    current: RobotsDecision, last_good: RobotsDecision | None, *, read_at: datetime, now: datetime
) -> RobotsDecision:
    """
    Return the decision in force: an earlier one where the server gives none now.

    last_good: the last with the state "rules" or "missing", read at `read_at`; it expires after
    LAST_GOOD_MAX_AGE. A refusal (401, 403) takes effect at once.
    """
    is_missing_now = current.state in {RobotsState.UNAVAILABLE, RobotsState.UNKNOWN}
    if not is_missing_now or last_good is None or last_good.state not in _KNOWN_STATES:
        return current
    return last_good if now - read_at <= LAST_GOOD_MAX_AGE else current


@dataclass(frozen=True, slots=True)
class _Line:
    field: str
    value: str
    is_utf8: bool


@dataclass(frozen=True, slots=True)
class _Group:
    agents: list[str]
    rules: list[_Line]


def _problem_of_status(status: int | None) -> RobotsDecision | None:
    if status is None:
        return RobotsDecision(
            state=RobotsState.UNAVAILABLE,
            reason="robots.txt cannot be reached: nothing is requested",
        )
    # 202 is what firewalls answer while they examine a visitor.
    if status in {200, 203, 204}:
        return None
    if status in {401, 403, 407, 451}:
        state, consequence = RobotsState.REFUSED, "nothing is requested"
    elif status in {408, 425, 429} or status >= 500:
        state, consequence = RobotsState.UNAVAILABLE, "nothing is requested"
    elif 400 <= status < 500:
        state, consequence = RobotsState.MISSING, "everything is allowed"
    else:
        state, consequence = RobotsState.UNKNOWN, "nothing is requested"
    return RobotsDecision(
        state=state, reason=f"robots.txt is answered with {status}: {consequence}"
    )


def _decode(body: bytes, *, is_whole: bool) -> list[tuple[str, bool]]:
    """Return the lines, each with whether it is UTF-8; others are read as Latin-1."""
    if body.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        body = body.decode("utf-32", "replace").encode()
    elif encoding := _utf16_encoding(body):
        body = body.decode(encoding, "replace").encode()
    lines = re.split(rb"\r\n|\r|\n", body.replace(b"\0", b""))
    if not is_whole:
        # Half a rule could forbid or allow more than the whole one.
        lines.pop()
    return [_decode_line(line) for line in lines]


def _utf16_encoding(body: bytes) -> str:
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = body[:_UTF16_SAMPLE_BYTES]
    if len(sample) >= 4 and not any(sample[1::2]) and all(sample[::2]):
        return "utf-16-le"
    return "utf-16-be" if len(sample) >= 4 and not any(sample[::2]) and all(sample[1::2]) else ""


def _decode_line(line: bytes) -> tuple[str, bool]:
    try:
        return line.decode().strip("\ufeff\u200b"), True
    except UnicodeDecodeError:
        return line.decode("latin-1"), False


def _read_lines(lines: list[tuple[str, bool]]) -> Iterator[_Line]:
    for text, is_utf8 in lines:
        content = text.partition("#")[0].strip()
        if content:
            name, value = _split_line(content)
            yield _Line(name, value, is_utf8)


def _split_line(content: str) -> tuple[str, str]:
    """Return field and value of a line; a field without colon is read if it is known."""
    name, colon, value = content.partition(":")
    name = " ".join(name.lower().split())
    if colon and name in _FIELDS:
        return _FIELDS[name], value.strip()
    words = content.split()
    for count in (1, 2):
        known = _FIELDS.get(" ".join(words[:count]).lower())
        if known and len(words) > count:
            return known, " ".join(words[count:])
    return (_OTHER if colon and name in _OTHER_FIELDS else ""), value.strip()


def _is_other_content(text: list[tuple[str, bool]], lines: list[_Line], content_type: str) -> bool:
    """Return whether a text is no robots.txt: a page, JSON, or sentences without any field."""
    first = next((line for line, _ in text if line.strip()), "")
    if _MARKUP.match(first):
        return True
    if not lines:
        return "html" in content_type.lower() and bool(first)
    known = [line for line in lines if line.field]
    if "html" in content_type.lower():
        known = [line for line in known if line.field != _OTHER]
    return not known


def _read_groups(lines: list[_Line]) -> list[_Group]:
    """Return the groups; only rules end the User-agent lines of one, not Crawl-delay or Sitemap."""
    groups: list[_Group] = []
    has_rules = True
    for line in lines:
        if line.field == "user-agent":
            if has_rules:
                groups.append(_Group([], []))
                has_rules = False
            groups[-1].agents.extend(_agents(line.value))
        elif line.field in {"allow", "disallow", "crawl-delay", "request-rate", "visit-time"}:
            if not groups:
                continue  # rules before the first User-agent line apply to no crawler
            has_rules = has_rules or line.field in {"allow", "disallow"}
            groups[-1].rules.append(line)
    return groups


def _agents(value: str) -> Iterator[str]:
    """Yield the product tokens of a User-agent line, without versions; some lines name several."""
    for part in value.lower().split(","):
        agent = part.strip()
        if agent == "*":
            yield agent
        elif token := _TOKEN.match(agent):
            yield token[0]


def _rules_for(groups: list[_Group], token: str) -> tuple[str, list[_Line]]:
    """Return the most specific name that has groups, and the rules of all its groups."""
    names = {agent for group in groups for agent in group.agents}
    own = max((name for name in names if _is_ours(name, token)), key=len, default="*")
    rules = [rule for group in groups if own in group.agents for rule in group.rules]
    is_named = own != "*" or own in names
    return (own if is_named else ""), rules


def _is_ours(name: str, token: str) -> bool:
    return name == token or token.startswith((f"{name}-", f"{name}_"))


def _plain_rules(rules: list[_Line]) -> Iterator[str]:
    for rule in rules:
        if rule.field in {"allow", "disallow"}:
            path = _path_of(rule.value, is_allow=rule.field == "allow")
            if path:
                encodings = ("utf-8",) if rule.is_utf8 else ("latin-1", "utf-8")
                for encoding in encodings:
                    yield f"{rule.field}: {_quote(path, encoding)}"
        elif rule.field in {"visit-time", "request-rate"}:
            yield f"{rule.field}: {_quote(rule.value, 'utf-8')}"


def _path_of(value: str, *, is_allow: bool) -> str:
    """Return the path of a rule; one without a slash forbids that path and allows nothing."""
    if value.startswith(("http://", "https://")):
        parts = urlsplit(value)
        value = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if value and not value.startswith(("/", "*", "$")):
        return "" if is_allow else f"/{value}"
    return value


def _quote(value: str, encoding: str) -> str:
    # Also line breaks that are none in robots.txt, such as U+2028.
    return quote(value, safe=_URL_CHARACTERS, encoding=encoding)


def _crawl_delay(rules: list[_Line]) -> float | None:
    delays = [delay for rule in rules if (delay := _delay_of(rule)) is not None]
    return min(max(delays), MAX_CRAWL_DELAY_SECONDS) if delays else None


def _delay_of(rule: _Line) -> float | None:
    if rule.field == "crawl-delay":
        match = _DELAY.fullmatch(rule.value)
        return float(match[1].replace(",", ".")) if match else None
    if rule.field == "request-rate":
        rate = Protego.parse(
            f"User-agent: *\nRequest-rate: {_quote(rule.value, 'utf-8')}"
        ).request_rate("*")
        return rate.seconds / rate.requests if rate else None
    return None


def _without_dot_segments(url: str) -> str:
    parts = urlsplit(url)
    path = _DOT_SEGMENT.sub(".", parts.path)
    if "/." not in path:
        return url
    segments: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == ".." and segments:
            segments.pop()
        elif segment not in {".", ".."}:
            segments.append(segment)
    if path.endswith(("/.", "/..")):
        segments.append("")
    return parts._replace(path="/" + "/".join(segments)).geturl()
