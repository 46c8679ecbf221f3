"""
Crawl of URLs in a separate process, since Twisted's reactor starts once.

Reads JSON: urls, names (host → list of answers), headers, allow_loopback, ports. Writes JSON: for
each URL the kind of error, or the status.
"""

import json
import socket
import sys
from collections.abc import Iterator
from typing import Any

from django.conf import settings


def _replace_resolver(names: dict[str, list[list[str]]]) -> None:
    resolve = socket.getaddrinfo

    def answer(host: str, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in names:
            return resolve(host, port, *args, **kwargs)
        addresses = names[host].pop(0) if len(names[host]) > 1 else names[host][0]
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port),
            )
            for address in addresses
        ]

    socket.getaddrinfo = answer  # type: ignore[assignment]


def main() -> None:
    """Crawl with the guarded settings of competitors, or without them for comparison."""
    task = json.load(sys.stdin)
    settings.configure(
        ALLOW_LOOPBACK_SOURCES=task["allow_loopback"], SOURCE_PORTS=[80, 443, *task["ports"]]
    )
    _replace_resolver(task["names"])

    from scrapy import Request, Spider
    from scrapy.crawler import CrawlerProcess

    from competitors.ingest.guarded_resolver import GUARDED_SETTINGS

    results: dict[str, str] = {}

    class _Spider(Spider):
        name = "guarded"

        async def start(self) -> Any:
            for request in self.requests():
                yield request

        def requests(self) -> Iterator[Request]:
            for url in task["urls"]:
                try:
                    yield Request(
                        url,
                        callback=self.parse,
                        errback=self.fail,
                        headers=task["headers"],
                        cookies=task["cookies"],
                        method=task["method"],
                        body="a=1" if task["method"] == "POST" else None,
                        cb_kwargs={},
                        dont_filter=True,
                        meta={"typed": url, "download_timeout": 5},
                    )
                except ValueError as error:  # Scrapy does not accept the URL
                    results[url] = type(error).__name__

        def parse(self, response: Any) -> None:
            results[response.meta["typed"]] = str(response.status)

        def fail(self, failure: Any) -> None:
            results[failure.request.meta["typed"]] = type(failure.value).__name__

    process = CrawlerProcess(
        {
            **(GUARDED_SETTINGS if task["is_guarded"] else {}),
            "LOG_ENABLED": False,
            "RETRY_TIMES": 1,
            "TELNETCONSOLE_ENABLED": False,
            "ROBOTSTXT_OBEY": False,
            "DOWNLOAD_DELAY": 0,
            "CONCURRENT_REQUESTS_PER_DOMAIN": 16,
        }
    )
    process.crawl(_Spider)
    process.start()
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
