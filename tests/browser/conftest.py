"""Fixtures of the browser tests: one Chromium a file, one session of the console a test."""

import threading
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.test import override_settings
from django.test.testcases import LiveServerThread
from playwright.sync_api import Browser
from pytest_django.plugin import DjangoDbBlocker

from catalog.models import CatalogSource
from config.cache import invalidation
from config.celery import app
from tests import baseline
from tests.browser.chromium import running_chromium
from tests.browser.console import BrowserConsole
from tests.browser.rows import create_rows
from tests.samples.suppliers.server import SampleSupplier

_END_OTHER_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
OpenConsole = Callable[..., BrowserConsole]


@pytest.fixture(scope="session", autouse=True)
def _closed_connections(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """End the connections of the web server's threads before the test database is dropped."""
    yield
    invalidation.stop()
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(_END_OTHER_SESSIONS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium; not for the session, as its event loop would run in other tests too."""
    with pytest.MonkeyPatch.context() as patch:
        # Playwright's loop counts as running in this thread, where Django would refuse queries.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        with running_chromium() as browser:
            yield browser


class _ApplicationAlone(WSGIHandler):
    def __init__(self, _application: WSGIHandler) -> None:
        super().__init__()


@pytest.fixture(scope="session")
def console_url(django_db_setup: None) -> Iterator[str]:
    """
    Address of a web server in this process, on the test's database.

    Unlike pytest-django's, it leaves static files to WhiteNoise, as in production: the browser then
    loads them once and not with each page.
    """
    server = LiveServerThread("127.0.0.1", static_handler=_ApplicationAlone)
    server.daemon = True
    server.start()
    server.is_ready.wait()
    if server.error:
        raise server.error
    yield f"http://127.0.0.1:{server.port}"
    server.terminate()


@pytest.fixture(scope="module")
def _stored_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Store files in a directory of the test module."""
    storages = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path_factory.mktemp("objects"))},
        },
    }
    with override_settings(STORAGES=storages):
        yield


@pytest.fixture(scope="module")
def sample_supplier() -> Iterator[SampleSupplier]:
    """A sample supplier for all tests of a module."""
    with SampleSupplier(has_assortment=False) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def console_rows(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    sample_supplier: SampleSupplier,
    _stored_files: None,
) -> Iterator[User]:
    """A row of each model, for all tests of a module, which may only read; the user of the rows."""
    with django_db_blocker.unblock():
        cache.clear()
        CatalogSource.objects.update(requests_per_second=1000)
        yield create_rows(sample_supplier)
        baseline.restore()


@pytest.fixture
def open_console(
    browser: Browser,
    console_url: str,
    transactional_db: None,
    _stored_files: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[OpenConsole]:
    """
    Open the console for a user (default: a superuser), in a language, light or dark.

    Background tasks run where they are queued; there is no worker. At the end no page may have had
    a console error, a refused script or an error response, unless the test has emptied `faults`.
    """
    monkeypatch.setattr(app.conf, "task_always_eager", True)
    cache.clear()
    CatalogSource.objects.update(requests_per_second=1000)
    opened: list[BrowserConsole] = []

    def open_as(user: User | None = None, *, language: str = "en") -> BrowserConsole:
        user = user or User.objects.create_superuser(f"staff-{len(opened)}")
        opened.append(BrowserConsole.open_for(user, browser, console_url, language=language))
        return opened[-1]

    yield open_as
    for console in opened:
        console.close()
    assert not [fault for console in opened for fault in console.faults]
