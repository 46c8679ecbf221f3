"""URL configuration."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

import config.api.openapi  # noqa: F401  # registers itself with drf-spectacular
from config import public_pages
from config.admin.help import help_page
from config.admin.model_texts import translate_model_texts
from config.admin.status import status_page
from config.admin.task_tray import tray_view
from config.observability import health
from config.observability.metrics_page import metrics_page
from config.settings.optional import OPTIONAL_APPS

admin.autodiscover()
translate_model_texts()
handler400 = "config.api.errors.bad_request"
handler403 = "config.error_pages.permission_denied"
handler404 = "config.error_pages.not_found"
handler500 = "config.api.errors.server_error"

urlpatterns = [
    path("", RedirectView.as_view(url="/console/")),
    path("console/account/", include("config.account_pages")),
    path("console/help/", admin.site.admin_view(help_page), name="console-help"),
    path("console/status/", admin.site.admin_view(status_page), name="console-status"),
    path("console/background/", admin.site.admin_view(tray_view), name="console-background"),
    path("console/", admin.site.urls),
    path("api/v1/", include("catalog.api.urls")),
    path("api/v1/", include("customers.api.urls")),
    path("api/v1/", include("competitors.api.urls")),
    path("api/v1/", include("mlops.api.urls")),
    *(path("api/v1/", include(f"{name}.api.urls")) for name in OPTIONAL_APPS),
    re_path(r"^api/schema/?$", SpectacularAPIView.as_view(), name="schema"),
    re_path(r"^api/errors/?$", public_pages.error_codes, name="error-codes"),
    path("robots.txt", public_pages.robots),
    path("favicon.ico", RedirectView.as_view(url=static("config/favicon.svg"))),
    path(".well-known/security.txt", public_pages.security),
    re_path(r"^api/docs/?$", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("metrics", metrics_page, name="metrics"),
    re_path(r"^health/live/?$", health.live),
    re_path(r"^health/ready/?$", health.ready),
    re_path(r"^health/deep/?$", health.deep),
]
