"""Chart of the home page: price position."""

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from competitors.selectors.price_position import POSITIONS, all_offers, count_positions
from config.admin.home_charts import ChartData, HomeChart, register
from config.admin.large_lists import cached_if_large


def _positions() -> ChartData | None:
    counts = cached_if_large(all_offers(), "positions:", count_positions)
    compared = POSITIONS[:3]
    if not any(counts[position] for position in compared):
        return None
    return ChartData(
        labels=[str(label) for label in (_("below"), _("at the median"), _("above"))],
        series=[(_("products"), [counts[position] for position in compared])],
        unit=_("products"),
    )


register(
    HomeChart(
        name="price-position",
        title=_("Our prices beside the competitors’ median"),
        permission="competitors.view_competitoroffer",
        load=_positions,
        url=lambda: reverse("admin:competitors_competitoroffer_board"),
        is_line=False,
    )
)
