"""Memory limit of a crawl, by the memory that its process holds now."""

import psutil
from scrapy.extensions.memusage import MemoryUsage


class ResidentMemoryUsage(MemoryUsage):
    """
    Ends a crawl above MEMUSAGE_LIMIT_MB.

    Scrapy's own measures the peak that the kernel records for a process, which starts with the size
    of the process that started it: a crawl of a large worker would end at once.
    """

    def get_virtual_size(self) -> int:
        """Return the resident memory in bytes."""
        return int(psutil.Process().memory_info().rss)
