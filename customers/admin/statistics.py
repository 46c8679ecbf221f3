"""Console page of the repeat-purchase statistics, which are computed nightly."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from customers.models import StoreRepeatStatistics
from customers.recommendations.statistics import DEFAULT_DISCOVERY_RATIO
from customers.selectors.statistics import newest_repeat_statistics
from mlops.admin.read_only import ReadOnlyAdmin

_INTERPRETATION = _(
    "For every 100 repeat purchases, customers make %(predicted_hits)s first-time purchases of "
    "products that are often bought together with products they already know. The higher this "
    "number, the more weight such products get in recommendations. During the first 60 days, and "
    "while there are few purchases, a default of about %(default)s is used, as in grocery stores."
)


@admin.register(StoreRepeatStatistics)
class StoreRepeatStatisticsAdmin(ReadOnlyAdmin):
    """Nightly statistics; the newest row is in use."""

    list_display = ("counted_at", "rounded_discovery_ratio", "repeats", "predicted_hits")
    list_display_links = ("counted_at",)
    list_before_template = "admin/customers/storerepeatstatistics/newest.html"
    fields = (
        "counted_at",
        "repeats",
        "predicted_hits",
        "rounded_discovery_ratio",
        "interpretation",
        "segment_sales",
    )
    readonly_fields = ("rounded_discovery_ratio", "interpretation", "segment_sales")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Show the statistics in use above the list, or that there are none yet."""
        newest = newest_repeat_statistics()
        context = {
            **(extra_context or {}),
            "newest": newest,
            "interpretation": self.interpretation(newest) if newest else "",
        }
        return super().changelist_view(request, context)

    @admin.display(description=_("discovery ratio"), ordering="discovery_ratio")
    def rounded_discovery_ratio(self, statistics: StoreRepeatStatistics) -> str:
        """Return the discovery ratio with three decimals."""
        return f"{statistics.discovery_ratio:.3f}"

    @admin.display(description=_("meaning"))
    def interpretation(self, statistics: StoreRepeatStatistics) -> str:
        """Return an explanation of the discovery ratio in plain words."""
        return str(
            _INTERPRETATION
            % {
                "predicted_hits": f"{100 * statistics.discovery_ratio:.1f}",
                "default": f"{100 * DEFAULT_DISCOVERY_RATIO:.0f}",
            }
        )

    @admin.display(description=_("sales by segment"))
    def segment_sales(self, statistics: StoreRepeatStatistics) -> SafeString:
        """Return the share of sales of each segment in percent, the largest first."""
        shares = sorted(statistics.segment_shares.items(), key=lambda pair: (-pair[1], pair[0]))
        return render_to_string(
            "admin/customers/storerepeatstatistics/segment_shares.html",
            {"shares": [(segment, 100 * share) for segment, share in shares]},
        )
