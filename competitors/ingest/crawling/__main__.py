"""
The crawling process: `python -m competitors.ingest.crawling FD`.

Reads a job (a line of JSON) from standard input and writes messages to the file descriptor FD.
Ends when standard input is closed: the process that started it has ended.
"""

import logging
import os
import sys
import threading
from typing import Any

import django
from pydantic import TypeAdapter

_PACKAGE = "competitors.ingest.crawling"
_MAX_MEMORY_MEGABYTES = 1_024
_ABANDONED = 3


def main() -> None:
    """Run one crawl."""
    django.setup()
    # Imported after the setup: parsers and storage need the settings.
    from scrapy.crawler import CrawlerProcess

    from competitors.ingest.crawling.jobs import CrawlJob
    from competitors.ingest.crawling.messages import write_message
    from competitors.ingest.crawling.spider import MenuSpider

    job = TypeAdapter(CrawlJob).validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with os.fdopen(int(sys.argv[1]), "wb") as stream:
        # Reports of Scrapy and Spidermon are sent as messages, which logs would repeat. Scrapy sets
        # log levels when the process is created.
        logging.disable()
        process = CrawlerProcess(crawl_settings(job))
        for name in ("scrapy", "spidermon", "twisted", "py.warnings", MenuSpider.name):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        logging.disable(logging.NOTSET)
        crawler = process.create_crawler(MenuSpider)
        process.crawl(crawler, job=job, stream=stream)
        process.start()
        spider = crawler.spider
        if isinstance(spider, MenuSpider):
            write_message(stream, spider.end())


def crawl_settings(job: Any) -> dict[str, Any]:
    """Return Scrapy's settings for a job."""
    from competitors.ingest.crawling.monitors import SETTINGS
    from competitors.ingest.guarded_resolver import GUARDED_SETTINGS

    middlewares = {
        **GUARDED_SETTINGS["DOWNLOADER_MIDDLEWARES"],
        f"{_PACKAGE}.middlewares.RobotsMiddleware": 100,
        "scrapy.downloadermiddlewares.retry.RetryMiddleware": None,
        f"{_PACKAGE}.middlewares.PoliteRetryMiddleware": 550,
        f"{_PACKAGE}.middlewares.LandedPagesMiddleware": 900,
    }
    return {
        **GUARDED_SETTINGS,
        **SETTINGS,
        "DOWNLOADER_MIDDLEWARES": middlewares,
        "USER_AGENT": job.user_agent,
        # One request at a time, no faster than the budget. AutoThrottle slows down further when
        # the shop is slow.
        "CONCURRENT_REQUESTS": 1,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
        "DOWNLOAD_DELAY": job.delay_seconds,
        "DOWNLOAD_DELAY_JITTER": 0,
        "AUTOTHROTTLE_ENABLED": True,
        "AUTOTHROTTLE_START_DELAY": job.delay_seconds,
        "RETRY_TIMES": job.max_retries,
        "DOWNLOAD_TIMEOUT": job.timeout_seconds,
        "DNS_TIMEOUT": job.timeout_seconds,
        "DOWNLOAD_MAXSIZE": job.max_page_bytes,
        "DOWNLOAD_WARNSIZE": 0,
        "DOWNLOAD_VERIFY_CERTIFICATES": True,
        "CLOSESPIDER_TIMEOUT": job.max_seconds,
        "MEMUSAGE_LIMIT_MB": _MAX_MEMORY_MEGABYTES,
        "EXTENSIONS": {
            **SETTINGS["EXTENSIONS"],
            "scrapy.extensions.memusage.MemoryUsage": None,
            f"{_PACKAGE}.memory.ResidentMemoryUsage": 0,
        },
        # The spider judges every status itself.
        "HTTPERROR_ALLOW_ALL": True,
        "ROBOTSTXT_OBEY": False,  # RobotsMiddleware does, with our rules of reading the file
        "COOKIES_ENABLED": False,
        "REFERER_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "REMOTE_CONTROL_ENABLED": False,
        "LOG_ENABLED": False,
        "LOG_INSTALL_ROOT_HANDLER": False,
        "STATS_DUMP": False,
    }


def _end_with_parent() -> None:
    # Not through sys.stdin, whose lock the interpreter needs when it ends.
    while os.read(0, 1):
        pass
    os._exit(_ABANDONED)


if __name__ == "__main__":
    main()
