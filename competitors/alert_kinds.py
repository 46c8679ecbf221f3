"""Kinds of alerts about competitors and prices."""

from django.utils.translation import gettext_lazy as _

from mlops.quality.kinds import register

register(
    "crawl_blocked",
    _("Shop blocks crawls"),
    _(
        "Do not try to get around it. Crawl less often, or ask the shop for access; its prices "
        "age meanwhile and are not used."
    ),
)
register(
    "robots_disallowed",
    _("robots.txt excludes the menu"),
    _("Respect it: disable the shop, or ask its owner for permission."),
)
register(
    "crawl_unsafe",
    _("Shop leads to a private address"),
    _("Check the address of the shop. A redirect into our own network is never followed."),
)
register(
    "shop_unavailable",
    _("Shop does not respond"),
    _("The next crawl tries again. If it lasts for days, check the address of the shop."),
)
register(
    "menu_broken",
    _("Menu is not readable"),
    _(
        "The shop has changed its pages. Try the shop on its test page and choose another "
        "platform, or ask a developer."
    ),
)
register(
    "menu_incomplete",
    _("Menu was not read to its end"),
    _("Nothing was removed. Crawl again; if it repeats, raise the limits of the shop."),
)
register(
    "crawl_stopped",
    _("Crawl ended without a report"),
    _(
        "The process was killed, perhaps for lack of memory. The next crawl tries again; look at "
        "the log of the worker."
    ),
)
register(
    "crawl_degraded",
    _("Some stores of a shop fail"),
    _("Open the shop: it names the stores that could not be read. Their prices age meanwhile."),
)
register(
    "price_undercut",
    _("Competitor is cheaper"),
    _(
        "Open the product and its price position. Suggest another price if the margin allows it, "
        "or leave it."
    ),
)
register(
    "price_jump",
    _("Price of a competitor jumped"),
    _(
        "Open the product and check the match: a jump is often another package size. If the match"
        " is wrong, remove it."
    ),
)
register(
    "competitor_restocked",
    _("Competitor has it again"),
    _("The product is back at competitors. Check our stock and price."),
)
register(
    "price_below_minimum",
    _("Our price is below the legal minimum"),
    _("Raise the price at once, or correct the size or the minimum price if one of them is wrong."),
)
