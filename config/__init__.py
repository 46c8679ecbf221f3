"""Foundation of the project: settings, API conventions, caches, clients, local servers."""

import os
import sys

# Since 1.29 ONNX Runtime reports models and machine to its maker from a thread that its import
# starts, and writes an id into the home directory. The child of a fork has no such thread: it hung
# at its exit, or ended with std::system_error.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

# structlog imports its adapter to Twisted wherever Twisted is installed: 5 MB and 30 ms for each
# process, of which only crawls use Twisted. None makes that import fail, as without Twisted.
sys.modules.setdefault("structlog.twisted", None)  # type: ignore[arg-type]  # Python's own marker

from config.celery import app as celery_app  # noqa: E402

__all__ = ["celery_app"]
