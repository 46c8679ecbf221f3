"""A signed-in user of the console in a browser, and what the browser complains about."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, Response

# Registered before the page's own scripts, so that no violation is missed.
_REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", event => console.error(
  `CSP: ${event.violatedDirective} refused ${event.blockedURI} ${event.sample}`));
"""
# Chromium reports each error response also as a console error without its address.
_ERROR_RESPONSE = "Failed to load resource"


class BrowserConsole:
    """
    The console, opened by a user.

    faults: console errors, uncaught exceptions and error responses of everything opened so far.
    """

    def __init__(self, context: BrowserContext, base_url: str, *, is_signed_in: bool) -> None:
        self._context = context
        self.base_url = base_url
        self._is_signed_in = is_signed_in
        self.faults: list[str] = []
        context.add_init_script(_REPORT_VIOLATIONS)
        self.page = self._new_page()

    @classmethod
    def open_for(
        cls, user: User | None, browser: Browser, base_url: str, *, language: str = "en"
    ) -> "BrowserConsole":
        """Return a new session of a user (None: not signed in); motion is off."""
        context = browser.new_context(
            locale=f"{language}-CA",
            viewport={"width": 1440, "height": 900},
            reduced_motion="reduce",
        )
        if user is not None:
            context.add_cookies([_session_cookie(user, base_url)])
        return cls(context, base_url, is_signed_in=user is not None)

    def close(self) -> None:
        """End the session."""
        self._context.close()

    def _new_page(self) -> Page:
        page = self._context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", self._record_message)
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))
        page.on("response", self._record_response)
        return page

    def _record_message(self, message: Any) -> None:
        if message.type == "error" and not message.text.startswith(_ERROR_RESPONSE):
            self.faults.append(f"{self.page.url}: {message.text}")

    def _record_response(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"{self.page.url}: {response.status} of {response.url}")

    def open(self, name: str, *arguments: Any, query: str = "") -> Response:
        """Open a console page by its URL name without "admin:"."""
        return self.open_path(reverse(f"admin:{name}", args=arguments) + query)

    def open_path(self, path: str) -> Response:
        """Open a path; return the response."""
        response = self.page.goto(f"{self.base_url}{path}")
        assert response is not None
        is_login = urlsplit(self.page.url).path == reverse("admin:login")
        assert not (self._is_signed_in and is_login), "The session has ended."
        return response

    def fill(self, label: str, value: str) -> None:
        """Fill in the field with this label."""
        self.page.get_by_label(label, exact=True).fill(value)

    def value(self, label: str) -> str:
        """Return the value of the field with this label."""
        return str(self.page.get_by_label(label, exact=True).input_value())

    def upload_sheet(self, path: Path) -> None:
        """Upload a product sheet and wait for its preview."""
        self.open("catalog_product_import")
        self.page.locator("input[type=file]").set_input_files(path)
        self.click("Upload and preview")

    def select_rows(self, count: int) -> None:
        """Select the first rows of a list."""
        for index in range(count):
            self.page.locator("input.action-select").nth(index).check()

    def run_action(self, name: str) -> None:
        """Run an action on the selected rows."""
        self.page.locator("select[name=action]").select_option(label=name)
        with self.page.expect_navigation():
            self.page.locator("#changelist-actions-wrapper button[type=submit]").first.click()

    def click(self, name: str) -> None:
        """Press the button, or follow the link, with this name; wait for the page it leads to."""
        with self.page.expect_navigation():
            self.press(name)

    def press(self, name: str) -> None:
        """Press the button with this name, else follow the link; the page stays."""
        main = self.page.locator("main")
        button = main.get_by_role("button", name=name, exact=True)
        link = main.get_by_role("link", name=name, exact=True)
        # A link of the path at the top of the page may have the name of a button.
        (button if button.count() else link).first.click()

    def submit(self) -> None:
        """Press the first button that submits the form of a confirmation page."""
        with self.page.expect_navigation():
            self.page.locator("main form button[type=submit]").first.click()

    def messages(self) -> str:
        """Return what the page reports about the last action."""
        return self.page.locator("#messages").inner_text()

    @property
    def text(self) -> str:
        """Visible text of the page, without sidebar and header."""
        return self.page.locator("main").inner_text()


def _session_cookie(user: User, base_url: str) -> Any:
    client = Client()
    client.force_login(user)
    return {
        "name": settings.SESSION_COOKIE_NAME,
        "value": client.cookies[settings.SESSION_COOKIE_NAME].value,
        "url": base_url,
    }
