"""Crawling of competitors' menus."""

from config.env import ENV

# Shops can see who visits them and whom to write to.
CRAWL_USER_AGENT = f"CultivarBot/1.0 (price research; contact {ENV.crawl_contact})"
CRAWL_MAX_SECONDS = 5_400
CRAWL_TIMEOUT_SECONDS = 30
CRAWL_MAX_PAGE_BYTES = 16 * 2**20
CRAWL_MAX_RETRIES = 2
