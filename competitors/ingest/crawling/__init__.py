"""
Crawling: the pages of a menu, fetched by Scrapy in a separate process.

The reactor of a process cannot be started twice, so each crawl has its own process
(`__main__.py`), which `process.run_crawl` starts and reads from.
"""
