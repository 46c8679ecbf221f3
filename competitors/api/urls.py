"""URLs of competitors, their prices and price positions."""

from django.urls import re_path

from competitors.api.views import (
    CompetitorPricesView,
    CompetitorsView,
    PriceHistoryView,
    PricePositionView,
)

urlpatterns = [
    re_path(r"^competitors/?$", CompetitorsView.as_view(), name="competitors"),
    re_path(r"^price-position/?$", PricePositionView.as_view(), name="price-position"),
    re_path(
        r"^products/(?P<id>[^/]+)/competitor-prices/?$",
        CompetitorPricesView.as_view(),
        name="competitor-prices",
    ),
    re_path(
        r"^products/(?P<id>[^/]+)/price-history/?$",
        PriceHistoryView.as_view(),
        name="price-history",
    ),
]
