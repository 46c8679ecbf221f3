"""The browser of the tests."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from playwright.sync_api import Error as PlaywrightError

PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_INSTALL = "install Chromium (Debian: apt-get install chromium) or name its program in CHROMIUM"


def find_chromium() -> str | None:
    """Return the path of the program that CHROMIUM names, else of the first one on the path."""
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Run a headless Chromium; skip the test, with the reason, where none can be started."""
    with ExitStack() as stack:
        try:
            browser = _start(stack)
        except (PlaywrightError, OSError) as error:
            pytest.skip(f"Chromium cannot be started: {str(error).splitlines()[0]}; {_INSTALL}")
        yield browser


def _start(stack: ExitStack) -> Browser:
    chromium = stack.enter_context(sync_playwright()).chromium
    program = find_chromium() or chromium.executable_path  # Playwright's own build
    if not Path(program).exists():
        pytest.skip(f"there is no Chromium: {_INSTALL}")
    browser = chromium.launch(executable_path=program, args=["--disable-dev-shm-usage"])
    stack.callback(browser.close)
    return browser
