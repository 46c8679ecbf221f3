"""What customers are like, as it was counted each night: for the same again, or for what is new, and of what sorts."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from customers.models import ShopHabits
from customers.recommendations.statistics.repeats import ODDS_BEFORE
from mlops.admin.reading import ReadOnlyAdmin

_MEANING = _(
    "Beside every 100 purchases of what people had before there are %(foretold)s of what is new to them and is bought together"
    " with what they had. The more of these, the more that counts in recommendations. In the first 60 days, and while little is"
    " counted, it is taken for about %(before)s, as in a grocer's shop."
)


@admin.register(ShopHabits)
class ShopHabitsAdmin(ReadOnlyAdmin):
    """A row for each count; the newest holds."""

    list_display = ("counted_at", "rounded", "repeats", "foretold")
    list_display_links = ("counted_at",)
    list_before_template = "admin/customers/shophabits/newest.html"
    fields = ("counted_at", "repeats", "foretold", "rounded", "meaning", "sold")
    readonly_fields = ("rounded", "meaning", "sold")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Tell above the list what holds now, or that nothing is counted yet."""
        newest = ShopHabits.objects.order_by("-id").first()
        page = {"newest": newest, "meaning": self.meaning(newest) if newest else ""}
        return super().changelist_view(request, {**(extra_context or {}), **page})

    @admin.display(description=_("odds"), ordering="odds")
    def rounded(self, counted: ShopHabits) -> str:
        """Show the odds with three places."""
        return f"{counted.odds:.3f}"

    @admin.display(description=_("what the odds mean"))
    def meaning(self, counted: ShopHabits) -> str:
        """Say it in words."""
        return str(
            _MEANING
            % {"foretold": f"{100 * counted.odds:.1f}", "before": f"{100 * ODDS_BEFORE:.0f}"}
        )

    @admin.display(description=_("what is sold, by sort"))
    def sold(self, counted: ShopHabits) -> SafeString:
        """Show what part of all that was sold is of each sort, the largest first."""
        shares = sorted(counted.shares.items(), key=lambda pair: (-pair[1], pair[0]))
        told = {"shares": [(sort, 100 * share) for sort, share in shares]}
        return render_to_string("admin/customers/shophabits/shares.html", told)
