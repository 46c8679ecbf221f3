"""Foundation of the project: settings, API conventions, caches, clients, local servers."""

import sys

# structlog imports its adapter to Twisted wherever Twisted is installed: 5 MB and 30 ms for each
# process, of which only crawls use Twisted. None makes that import fail, as without Twisted.
sys.modules.setdefault("structlog.twisted", None)  # type: ignore[arg-type]  # Python's own marker

from config.celery import app as celery_app  # noqa: E402

__all__ = ["celery_app"]
