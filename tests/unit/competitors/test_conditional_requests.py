"""Conditional requests: what follows a 304 for which no page is stored."""

import io

import pytest
from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response

from competitors.ingest.crawling.jobs import CrawlJob
from competitors.ingest.crawling.middlewares import LandedPagesMiddleware
from competitors.ingest.crawling.spider import KEY, MenuSpider
from competitors.ingest.offers import ShopAddress

URL = "https://shop.example/products.json"


@pytest.fixture
def middleware() -> LandedPagesMiddleware:
    crawler = Crawler(MenuSpider)
    job = CrawlJob(
        platform="shopify",
        shops=(ShopAddress(base_url="https://shop.example"),),
        user_agent="CultivarBot/1.0",
        delay_seconds=1,
        max_pages=5,
        max_seconds=60,
    )
    crawler.spider = MenuSpider(job=job, stream=io.BytesIO())
    return LandedPagesMiddleware.from_crawler(crawler)


def test_page_that_is_not_stored_is_requested_again_without_conditions(
    middleware: LandedPagesMiddleware,
) -> None:
    request = Request(URL, headers={"If-None-Match": '"1"'}, meta={KEY: "0/page-0001"})

    repeated = middleware.process_response(request, Response(URL, status=304))

    assert isinstance(repeated, Request)
    assert "If-None-Match" not in repeated.headers


def test_server_that_always_answers_304_is_not_asked_a_third_time(
    middleware: LandedPagesMiddleware,
) -> None:
    request = Request(URL, headers={"If-None-Match": '"1"'}, meta={KEY: "0/page-0001"})
    repeated = middleware.process_response(request, Response(URL, status=304))
    assert isinstance(repeated, Request)

    answer = middleware.process_response(repeated, Response(URL, status=304))

    assert isinstance(answer, Response)
