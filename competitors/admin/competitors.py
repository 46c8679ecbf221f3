"""Competitors in the console: settings, locations and the health of their crawls."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminPasswordToggleWidget

from competitors.admin.test_page import test_page_view
from competitors.ingest.records import SOURCE_PREFIX
from competitors.models import Competitor, CompetitorLocation, CrawlStatus
from competitors.selectors.competitors import all_competitors
from competitors.selectors.crawl_health import CrawlHealth, crawl_health
from competitors.services.competitors import save_competitor
from competitors.services.crawl_status import pause_competitor, resume_competitor
from competitors.tasks import crawl_competitor
from config.admin.labels import ColoredLabel
from config.clients.address_guard import validate_source_url

_KEY_PLACEHOLDER = "•" * 12
"""Shown instead of a saved key; submitted unchanged, the key stays."""


class CompetitorForm(forms.ModelForm):
    """A competitor, with the key of the platform's API as a write-only field."""

    api_key = forms.CharField(
        required=False,
        label=_("API key"),
        max_length=500,
        widget=UnfoldAdminPasswordToggleWidget(render_value=True),
        help_text=_("Stored encrypted and never shown. Clear it to delete it."),
    )

    class Meta:
        model = Competitor
        fields = "__all__"  # noqa: DJ007  # limited by the fieldsets of the admin

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Show a placeholder instead of a saved key."""
        super().__init__(*args, **kwargs)
        if "api_key" in self.fields and self.instance.sealed_api_key is not None:
            self.initial["api_key"] = _KEY_PLACEHOLDER

    def clean_base_url(self) -> str:
        """Refuse an address that does not lead to a public server."""
        url: str = self.cleaned_data["base_url"]
        validate_source_url(url)
        return url

    def clean(self) -> dict[str, Any]:
        """Require both ends of a crawl window."""
        cleaned: dict[str, Any] = super().clean() or {}
        if (cleaned.get("crawl_from") is None) != (cleaned.get("crawl_until") is None):
            missing = "crawl_until" if cleaned.get("crawl_until") is None else "crawl_from"
            self.add_error(missing, _("enter both ends of the window, or neither"))
        return cleaned


class LocationInline(TabularInline):
    """Locations with their licence numbers."""

    model = CompetitorLocation
    extra = 0
    fields = ("name", "platform_id", "address", "province", "licence_number", "is_enabled")
    tab = True


@admin.register(Competitor)
class CompetitorAdmin(ModelAdmin):
    """The list is the health board of all shops."""

    warn_unsaved_form = True
    form = CompetitorForm
    inlines = (LocationInline,)
    list_display = (
        "name",
        "platform",
        "status_label",
        "reason",
        "last_good",
        "offers_found",
        "failed_share",
        "next_crawl",
        "is_enabled",
    )
    list_filter = ("status", "platform", "province", "is_enabled")
    search_fields = ("name", "code", "base_url", "locations__name", "locations__licence_number")
    actions = ("crawl_now", "pause", "resume")
    actions_detail = ("go_to_test", "go_to_runs", "go_to_offers", "go_to_matches")
    fieldsets = (
        (None, {"fields": (("name", "code"), ("platform", "province", "language"), "owner")}),
        (
            _("Menu"),
            {"fields": ("base_url", "options", "api_key", "is_tax_included")},
        ),
        (
            _("Schedule and budget"),
            {
                "fields": (
                    ("is_enabled", "crawl_every_hours"),
                    ("crawl_from", "crawl_until"),
                    ("requests_per_minute", "max_pages"),
                )
            },
        ),
        (
            _("State"),
            {
                "fields": (
                    ("status_label", "reason", "status_since"),
                    ("last_good", "offers_found", "failed_share"),
                    ("next_crawl", "failed_crawls"),
                    ("robots", "crawl_delay_seconds"),
                )
            },
        ),
    )
    readonly_fields = (
        "status_label",
        "reason",
        "status_since",
        "last_good",
        "offers_found",
        "failed_share",
        "next_crawl",
        "failed_crawls",
        "robots",
        "crawl_delay_seconds",
    )

    def get_fieldsets(self, _request: HttpRequest, obj: Competitor | None = None) -> Any:
        """Return all fieldsets; without the state for a new competitor."""
        return self.fieldsets if obj else self.fieldsets[:-1]

    def get_readonly_fields(self, _request: HttpRequest, obj: Competitor | None = None) -> Any:
        """Return also the code of a saved competitor: runs and price history refer to it."""
        return (*self.readonly_fields, "code") if obj else self.readonly_fields

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Load the health of all rows of a page in two queries."""
        changelist = super().get_changelist_instance(request)
        health = crawl_health(list(changelist.result_list))
        for competitor in changelist.result_list:
            competitor.loaded_health = health[competitor.code]
        return changelist

    def save_model(self, request: HttpRequest, obj: Competitor, form: Any, _change: bool) -> None:
        """Save the competitor and its key as an operation."""
        if form.cleaned_data.get("api_key", _KEY_PLACEHOLDER) != _KEY_PLACEHOLDER:
            obj.api_key = form.cleaned_data["api_key"]
        by: Any = request.user
        save_competitor(competitor=obj, by=by)

    def get_urls(self) -> list[Any]:
        """Add the page that tests one page of a menu."""
        view = self.admin_site.admin_view(test_page_view)
        return [
            path("<uuid:pk>/test/", view, name="competitors_competitor_test"),
            *super().get_urls(),
        ]

    @admin.action(description=_("Crawl now"), permissions=["change"])
    def crawl_now(self, request: HttpRequest, queryset: QuerySet[Competitor]) -> None:
        """Start a crawl of each competitor."""
        for competitor in queryset:
            transaction.on_commit(
                partial(crawl_competitor.delay, code=competitor.code, is_forced=True)
            )
            text = _now("The crawl of {} has started: {}.")
            link = format_html('<a href="{}">{}</a>', _runs_url(competitor), _now("see its runs"))
            messages.success(request, format_html(text, competitor.name, link))

    @admin.action(description=_("Pause"), permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Competitor]) -> None:
        """Stop the crawls of each competitor until a person resumes them."""
        by: Any = request.user
        for competitor in queryset:
            pause_competitor(
                competitor=competitor,
                reason=_now("Paused by %(user)s.") % {"user": by},
                by=by,
                now=timezone.now(),
            )
        messages.success(request, _now("Crawls are paused."))

    @admin.action(description=_("Resume"), permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Competitor]) -> None:
        """Make the next crawl of each competitor due."""
        by: Any = request.user
        for competitor in queryset:
            resume_competitor(competitor=competitor, by=by, now=timezone.now())
        messages.success(request, _now("Crawls are resumed; the next one is due now."))

    @action(description=_("Test one page"), url_path="to-test", permissions=["change"])
    def go_to_test(self, _request: HttpRequest, object_id: str) -> HttpResponse:
        """Redirect to the test of one page."""
        return redirect("admin:competitors_competitor_test", object_id)

    @action(description=_("Crawls"), url_path="runs")
    def go_to_runs(self, _request: HttpRequest, object_id: str) -> HttpResponse:
        """Redirect to the runs of the competitor."""
        return redirect(_runs_url(get_object_or_404(all_competitors(), pk=object_id)))

    @action(description=_("Offers"), url_path="offers")
    def go_to_offers(self, _request: HttpRequest, object_id: str) -> HttpResponse:
        """Redirect to the offers of the competitor."""
        address = reverse("admin:competitors_competitoroffer_changelist")
        return redirect(f"{address}?competitor__id__exact={object_id}")

    @action(description=_("Confirm matches"), url_path="matches")
    def go_to_matches(self, _request: HttpRequest, object_id: str) -> HttpResponse:
        """Redirect to the match queue of the competitor."""
        competitor = get_object_or_404(all_competitors(), pk=object_id)
        address = reverse("admin:competitors_offermatch_confirm")
        return redirect(f"{address}?competitor={competitor.code}")

    @display(
        description=_("status"),
        ordering="status",
        label={
            CrawlStatus.HEALTHY: "success",
            CrawlStatus.DEGRADED: "warning",
            CrawlStatus.BLOCKED: "danger",
            CrawlStatus.PAUSED: "info",
        },
    )
    def status_label(self, competitor: Competitor) -> ColoredLabel:
        """Show the status as a colored label."""
        return ColoredLabel(competitor.status, competitor.get_status_display())

    @admin.display(description=_("reason"))
    def reason(self, competitor: Competitor) -> str:
        """Show why the competitor is not healthy."""
        return competitor.status_reason or "–"

    @admin.display(description=_("last good crawl"), ordering="last_good_crawl_at")
    def last_good(self, competitor: Competitor) -> str:
        """Show the age of the last complete crawl."""
        if competitor.last_good_crawl_at is None:
            return _now("never")
        age = timesince(competitor.last_good_crawl_at, depth=1)
        return _now("%(age)s ago") % {"age": age}

    @admin.display(description=_("offers / usual"))
    def offers_found(self, competitor: Competitor) -> str:
        """Show the number of offers on sale beside the usual number."""
        usual = "–" if competitor.usual_offers is None else str(competitor.usual_offers)
        return f"{_health(competitor).offers} / {usual}"

    @admin.display(description=_("failed crawls, 30 days"))
    def failed_share(self, competitor: Competitor) -> str:
        """Show the share of failed crawls."""
        health = _health(competitor)
        if health.failed_percent is None:
            return "–"
        return f"{health.failed_percent} % ({health.failed} / {health.crawls})"

    @admin.display(description=_("next crawl"), ordering="next_crawl_at")
    def next_crawl(self, competitor: Competitor) -> Any:
        """Show when the next crawl is due."""
        if not competitor.is_enabled or competitor.status == CrawlStatus.PAUSED:
            return "–"
        return competitor.next_crawl_at or _now("now")

    @admin.display(description=_("robots.txt"))
    def robots(self, competitor: Competitor) -> SafeString | str:
        """Show the decision in force and when the file was read."""
        if competitor.robots_allowed is None:
            return _now("not read yet")
        decision = _now("allowed") if competitor.robots_allowed else _now("disallowed")
        return format_html(
            "{} ({}), {}", decision, competitor.robots_reason or "–", competitor.robots_read_at
        )


def _health(competitor: Competitor) -> CrawlHealth:
    """Return the health that the list has loaded, else load it."""
    loaded: CrawlHealth | None = getattr(competitor, "loaded_health", None)
    return loaded or crawl_health([competitor])[competitor.code]


def _runs_url(competitor: Competitor) -> str:
    return f"{reverse('admin:mlops_run_changelist')}?source={SOURCE_PREFIX}{competitor.code}"
