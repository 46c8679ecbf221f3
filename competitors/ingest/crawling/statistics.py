"""Names of the statistics of a crawl that the spider counts and the monitors read."""

RECORDS = "item_scraped_count"
"""Records of all pages; the name by which Scrapy and Spidermon count items."""
SAMPLED = "crawl/sampled"
REJECTED = "crawl/rejected"
"""Records that were read for the monitors, and those of them that gave no offer."""
