"""Start of a crawling process, and the pages that it hands back."""

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import suppress

from django.conf import settings
from pydantic import TypeAdapter

from competitors.ingest.crawling.errors import CrawlStopped
from competitors.ingest.crawling.jobs import CrawlEnd, CrawlJob
from competitors.ingest.crawling.messages import Message, StreamBroken, read_messages

_GRACE_SECONDS = 180
"""Beyond the limit of the crawl itself, for a last response or pause."""
_STOP_SECONDS = 5
_PIPE_BYTES = 2**20
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def run_crawl(job: CrawlJob) -> Generator[Message, None, None]:
    """
    Crawl in a separate process and yield its messages; the last one is a CrawlEnd.

    The process waits while its messages are not read, so only a few pages are in memory. It ends
    with this generator, and with the process that runs it. Raises CrawlStopped: it ended without a
    report.
    """
    read_end, write_end = os.pipe()
    _enlarge(write_end)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", __package__, str(write_end)],
            stdin=subprocess.PIPE,
            pass_fds=(write_end,),
            cwd=settings.BASE_DIR,
            env=_environment(),
        )
    except OSError:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    timer = threading.Timer(job.max_seconds + _GRACE_SECONDS, process.kill)
    timer.daemon = True
    timer.start()
    with os.fdopen(read_end, "rb") as stream:
        try:
            _send_job(process, job)
            has_ended = False
            with suppress(StreamBroken):
                for message in read_messages(stream):
                    has_ended = isinstance(message, CrawlEnd)
                    yield message
            if not has_ended:
                raise CrawlStopped(
                    f"The crawling process ended early with status {process.wait(_STOP_SECONDS)}."
                )
        finally:
            timer.cancel()
            _stop(process)


def _enlarge(write_end: int) -> None:
    """Let the pipe buffer several pages, so that fetching and storing overlap."""
    # Not on every system, and up to a limit of the system.
    with suppress(AttributeError, OSError):
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _send_job(process: subprocess.Popen[bytes], job: CrawlJob) -> None:
    if process.stdin is None:
        raise ValueError("the process was started without a pipe")
    # Not as an argument, which every user of the machine could read: a job may hold an API key.
    with suppress(BrokenPipeError):
        process.stdin.write(TypeAdapter(CrawlJob).dump_json(job) + b"\n")
        process.stdin.flush()


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdin:
        with suppress(BrokenPipeError):
            process.stdin.close()


def _environment() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if name.lower() not in _PROXY_VARIABLES
    }
