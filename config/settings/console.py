"""Console: titles and navigation."""

import re
from collections.abc import Callable
from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from config.env import ENV
from config.settings.optional import OPTIONAL_APPS

_links: list[Any] = []


def _page(title: Any, icon: str, name: str, permission: str = "") -> dict[str, Any]:
    """
    Return an entry, shown to those who may open its page.

    permission: of the page; empty where it is to view the model in the page's name.
    """
    link = reverse_lazy(name if name.startswith("console-") else f"admin:{name}")
    _links.append(link)
    return {
        "title": title,
        "icon": icon,
        "link": link,
        "permission": _has_permission(permission or _view_permission(name)),
        "active": lambda request: _is_active(request, link),
    }


def _view_permission(name: str) -> str:
    match = re.fullmatch(r"(django_celery_beat|[a-z]+)_([a-z]+)_\w+", name)
    if match is None:
        raise ValueError(f"{name}: no page of a model")
    return f"{match[1]}.view_{match[2]}"


def _has_permission(permission: str) -> Callable[[Any], bool]:
    return lambda request: bool(request.user.has_perm(permission))


def _is_active(request: Any, link: Any) -> bool:
    """Return whether the entry's address is the longest that the path begins with."""
    # Addresses take a while to compose; the longest one is the same for all entries of a page.
    if not hasattr(request, "active_entry"):
        links = map(str, _links)
        matching = [other for other in links if request.path.startswith(other)]
        request.active_entry = max(matching, key=len, default="")
    return bool(str(link) == request.active_entry)


def _group(title: Any, *pages: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "separator": True, "collapsible": True, "items": list(pages)}


_BIOMETRICS = _group(
    _("Biometrics"),
    _page(_("Settings"), "face", "biometrics_biometricsettings_changelist"),
    _page(_("Store groups"), "storefront", "biometrics_storegroup_changelist"),
    _page(_("Templates"), "fingerprint", "biometrics_customerbiometric_changelist"),
    _page(_("Audit log"), "policy", "biometrics_auditentry_changelist"),
)
UNFOLD = {
    "LOGIN": {"form": "config.login_form.LoginForm"},
    "ACCOUNT": {
        "navigation": [
            {"title": _("Security of your account"), "link": reverse_lazy("account")},
            {"title": _("Change password"), "link": reverse_lazy("admin:password_change")},
        ]
    },
    # No shop is served here: the theme's "View site" would lead back to the console.
    "SITE_URL": None,
    "SITE_TITLE": "Cultivar",
    "SITE_HEADER": "Cultivar",
    "SITE_SUBHEADER": _("Catalogue console"),
    "SHOW_LANGUAGES": True,
    # Links in the dark have this color; the theme's own has a contrast of 4.3 : 1 only.
    "COLORS": {"primary": {"500": "oklch(71.4% .203 305.504)"}},
    "SITE_SYMBOL": "potted_plant",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("config/favicon.svg")}
    ],
    "STYLES": [lambda _: static("config/console.css")],
    "SCRIPTS": [lambda _: static("config/console.js")],
    "DASHBOARD_CALLBACK": "catalog.admin.home.dashboard",
    "COMMAND": {"search_callback": "config.admin.palette.search"},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "navigation": [
            {
                "items": [
                    {"title": _("Home"), "icon": "home", "link": reverse_lazy("admin:index")},
                ]
            },
            _group(
                _("Catalogue"),
                _page(_("Products"), "inventory_2", "catalog_product_changelist"),
                _page(_("Supplier listings"), "receipt_long", "catalog_supplierlisting_changelist"),
                _page(
                    _("Cleaning playground"), "rule", "catalog_supplierlisting_cleaning_playground"
                ),
                _page(_("Review items"), "rate_review", "catalog_reviewitem_changelist"),
                _page(_("Locks"), "lock", "catalog_productlock_changelist"),
                _page(_("Possible duplicates"), "join_inner", "catalog_matchdecision_changelist"),
                _page(_("Sources"), "cloud_download", "catalog_catalogsource_changelist"),
                _page(_("Licence holders"), "badge", "catalog_licenceholder_changelist"),
            ),
            _group(
                _("Search"),
                _page(
                    _("Search playground"),
                    "search",
                    "catalog_searchweights_playground",
                    "catalog.view_product",
                ),
                _page(_("Search weights"), "balance", "catalog_searchweights_changelist"),
                _page(_("Vector indexes"), "scatter_plot", "vectors_vectorindex_changelist"),
                _page(_("Stores"), "storefront", "catalog_store_changelist"),
            ),
            _group(
                _("Recommendations"),
                _page(_("Scenarios"), "tune", "customers_scenario_changelist"),
                _page(_("Business rules"), "rule_settings", "customers_businessrule_changelist"),
                _page(_("Explain"), "contact_support", "customers_scenario_explain"),
                _page(_("Assortment"), "inventory", "customers_productpopularity_assortment"),
                _page(
                    _("Repeat statistics"), "repeat", "customers_storerepeatstatistics_changelist"
                ),
            ),
            _group(
                _("Competitors"),
                _page(_("Shops"), "store", "competitors_competitor_changelist"),
                _page(_("Price board"), "price_check", "competitors_competitoroffer_board"),
                _page(_("Assortment gaps"), "compare_arrows", "competitors_competitoroffer_gaps"),
                _page(_("Confirm matches"), "join", "competitors_offermatch_confirm"),
                _page(_("Find products"), "search_check", "competitors_offermatch_find"),
                _page(_("Offers"), "sell", "competitors_competitoroffer_changelist"),
                _page(
                    _("Minimum prices"),
                    "vertical_align_bottom",
                    "competitors_minimumprice_changelist",
                ),
                _page(_("Suggested prices"), "lightbulb", "competitors_pricesuggestion_changelist"),
                _page(_("Price limits"), "shield", "competitors_priceguardsettings_changelist"),
                _page(_("Price approvals"), "approval", "competitors_priceapproval_changelist"),
            ),
            _group(
                _("Customers"),
                _page(_("Customers"), "groups", "customers_customerprofile_changelist"),
                _page(_("Conversations"), "forum", "customers_chatsession_changelist"),
                _page(_("Consent texts"), "contract", "customers_consenttext_changelist"),
            ),
            _group(
                _("Privacy"),
                _page(_("Retention"), "auto_delete", "mlops_retentionsweep_changelist"),
                _page(_("Erasures"), "person_off", "mlops_erasure_changelist"),
                _page(_("Legal holds"), "gavel", "mlops_legalhold_changelist"),
            ),
            *([_BIOMETRICS] if "biometrics" in OPTIONAL_APPS else []),
            _group(
                _("Data"),
                _page(_("Runs"), "directions_run", "mlops_run_changelist"),
                _page(_("Operations"), "history", "mlops_operation_changelist"),
                _page(_("Quarantine"), "front_hand", "mlops_quarantinedrecord_changelist"),
                _page(_("Raw records"), "database", "mlops_rawrecord_changelist"),
                _page(_("Lineage"), "account_tree", "mlops_lineageentry_changelist"),
                _page(_("Quality findings"), "fact_check", "mlops_qualityfinding_changelist"),
                _page(_("Integrity seals"), "verified", "mlops_integrityseal_changelist"),
                _page(_("Alerts"), "notifications", "mlops_alert_changelist"),
                _page(
                    _("Alerts by e-mail"),
                    "mail",
                    "mlops_alertsubscription_changelist",
                    "mlops.view_alert",
                ),
                _page(_("Status"), "monitor_heart", "console-status", "mlops.view_alert"),
                _page(_("Streams"), "stream", "mlops_inboxevent_streams"),
                _page(_("Webhooks"), "webhook", "mlops_webhook_changelist"),
                _page(_("Webhook deliveries"), "outbox", "mlops_webhookdelivery_changelist"),
                _page(_("Metrics"), "monitoring", "mlops_metricthreshold_metrics"),
                _page(_("Thresholds"), "straighten", "mlops_metricthreshold_changelist"),
            ),
            _group(
                _("Models"),
                _page(_("Versions"), "model_training", "mlops_modelversion_changelist"),
                _page(_("Training runs"), "exercise", "mlops_trainingrun_changelist"),
                _page(_("Deployments"), "rocket_launch", "mlops_deployment_changelist"),
                _page(_("Who served when"), "manage_search", "mlops_deployment_served"),
                _page(_("Drift"), "waves", "mlops_driftmeasurement_drift"),
                _page(_("Production quality"), "query_stats", "mlops_outcomecount_production"),
                _page(_("Experiments"), "science", "mlops_experiment_changelist"),
            ),
            _group(
                _("Access"),
                _page(_("Staff"), "person", "auth_user_changelist"),
                _page(_("Roles"), "badge", "auth_group_changelist"),
                _page(_("API keys"), "key", "config_apikey_changelist"),
                _page(_("Schedule"), "schedule", "django_celery_beat_periodictask_changelist"),
            ),
        ],
    },
}
CONSOLE_TIME_ZONE = ENV.console_time_zone
IMPORT_EXPORT_SKIP_ADMIN_LOG = True  # operations record more
IMPORT_EXPORT_EXPORT_PERMISSION_CODE = "view"
