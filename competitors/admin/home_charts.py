"""Chart of the home page: price position."""

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from competitors.figures import POSITION_COUNTS
from competitors.selectors.price_position import POSITIONS
from config.admin.home_charts import ChartData, HomeChart, register
from mlops.admin.figures import current_figure


def _positions() -> ChartData | None:
    counts = current_figure(POSITION_COUNTS)
    compared = POSITIONS[:3]
    if counts is None or not any(counts.value[position] for position in compared):
        return None
    return ChartData(
        labels=[str(label) for label in (_("below"), _("at the median"), _("above"))],
        series=[(_("products"), [counts.value[position] for position in compared])],
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
