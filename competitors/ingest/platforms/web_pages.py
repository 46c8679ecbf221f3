"""Addresses of web pages: first and following pages of a shop, stable parts of addresses."""

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from urllib.parse import urldefrag, urljoin, urlsplit

from parsel import Selector

from competitors.ingest.offers import Page, PageRequest, ShopAddress

_MAX_LINKS = 500


def first_page_requests(shop: ShopAddress) -> Iterator[PageRequest]:
    """Yield the pages of option `urls`, else the base URL. Raises ValueError: another host."""
    urls = shop.options.get("urls") or [shop.base_url]
    if not isinstance(urls, list) or not all(isinstance(url, str) and url for url in urls):
        raise ValueError("urls: has to be a list of addresses")
    for url in dict.fromkeys(urljoin(shop.base_url, url) for url in urls):
        if not _is_same_host(url, shop.base_url):
            raise ValueError(f"urls: {url} is not on the host of the shop")
        yield _request(url)


def next_links(selector: Selector) -> list[str]:
    """Return the addresses of links of relation "next"."""
    return selector.xpath('//*[self::link or self::a][@rel="next"]/@href').getall()


def next_page_requests(page: Page, urls: Sequence[str]) -> tuple[PageRequest, ...]:
    """Return the pages that addresses lead to, on the same host and other than the page."""
    found = dict.fromkeys(urldefrag(urljoin(page.url, url.strip()))[0] for url in urls if url)
    return tuple(
        _request(url)
        for url in list(found)[:_MAX_LINKS]
        if _is_same_host(url, page.url) and url != urldefrag(page.url)[0]
    )


def _request(url: str) -> PageRequest:
    return PageRequest(key=f"url-{sha256(url.encode()).hexdigest()[:16]}", url=url)


def _is_same_host(url: str, other: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc == urlsplit(other).netloc


def path_of(url: str) -> str:
    """Return path and query of an address, which stay when host or scheme change."""
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.path.rstrip('/')}{query}"


def slug_of(name: str) -> str:
    """Return a name in small letters with hyphens, as an id where a page has no other."""
    return re.sub(r"[^\w.%]+", "-", name.casefold()).strip("-")
