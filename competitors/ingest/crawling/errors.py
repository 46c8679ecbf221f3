"""Errors of crawls. Each ends the crawl; its run then writes no price."""

from config.errors import CultivarError


class CrawlFailed(CultivarError):
    """
    Base of the errors of crawls.

    retry_after_seconds: how long the shop asked us to wait; None: it did not.
    """

    def __init__(self, reason: str, *, retry_after_seconds: float | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(reason)


class CrawlBlocked(CrawlFailed):
    """The shop keeps crawlers out: a challenge, a login, a rate limit, a refusal."""

    code = "crawl_blocked"


class RobotsDisallowed(CrawlFailed):
    """The robots.txt of the shop excludes the menu, or cannot be read."""

    code = "robots_disallowed"


class CrawlUnsafe(CrawlFailed):
    """The shop or a redirect leads to an address that is not public."""

    code = "crawl_unsafe"


class ShopUnavailable(CrawlFailed):
    """The shop does not respond, or with an error."""

    code = "shop_unavailable"


class MenuBroken(CrawlFailed):
    """The shop sends something other than a menu of its platform."""

    code = "menu_broken"


class MenuIncomplete(CrawlFailed):
    """The menu was not read to its end, or items are missing."""

    code = "menu_incomplete"


class CrawlStopped(CrawlFailed):
    """The crawling process ended without a report."""

    code = "crawl_stopped"


ERRORS: dict[str, type[CrawlFailed]] = {
    error.code: error
    for error in (
        CrawlBlocked,
        RobotsDisallowed,
        CrawlUnsafe,
        ShopUnavailable,
        MenuBroken,
        MenuIncomplete,
        CrawlStopped,
    )
}
CODES = tuple(ERRORS)
