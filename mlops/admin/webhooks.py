"""Console pages of webhooks: subscriptions, and deliveries that can be replayed."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from mlops.admin.read_only import ReadOnlyAdmin, pretty_json
from mlops.models import Webhook, WebhookDelivery
from mlops.streams import webhooks


class WebhookForm(forms.ModelForm):
    """A subscription; the events are checkboxes."""

    event_types = forms.MultipleChoiceField(
        label=_("Events"),
        choices=Webhook.EventType.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = Webhook
        fields = ("name", "url", "event_types", "is_active")


@admin.register(Webhook)
class WebhookAdmin(ModelAdmin):
    """Subscriptions of clients; the secret is shown once."""

    warn_unsaved_form = True
    form = WebhookForm
    list_display = ("name", "url", "event_types", "is_active", "created_at")
    actions = ("rotate_secret",)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save a subscription; show the secret of a new one."""
        if change:
            super().save_model(request, obj, form, change)
            return
        self._show_secret(request, obj, webhooks.save_with_new_secret(obj))

    @admin.action(description=_("Create a new secret"), permissions=["change"])
    def rotate_secret(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        """Replace the secrets of subscriptions and show them."""
        for webhook in queryset:
            self._show_secret(request, webhook, webhooks.save_with_new_secret(webhook))

    def _show_secret(self, request: HttpRequest, webhook: Webhook, secret: str) -> None:
        text = gettext("Secret of %(name)s, which cannot be shown again: %(secret)s")
        messages.warning(request, text % {"name": webhook.name, "secret": secret})


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """Deliveries with their state; selected ones are sent again."""

    list_display = (
        "event_id",
        "type",
        "webhook",
        "status",
        "attempts",
        "response_status",
        "error",
        "next_attempt_at",
        "delivered_at",
    )
    list_filter = ("status", "type", "webhook")
    list_select_related = ("webhook",)
    actions = ("replay",)
    fields: ClassVar[Any] = (*list_display, "occurred_at", "content")
    readonly_fields = ("content",)

    @admin.display(description=_("content"))
    def content(self, delivery: WebhookDelivery) -> str:
        """Return the payload."""
        return pretty_json(delivery.data)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may send deliveries again."""
        return bool(request.user.has_perm("mlops.change_webhookdelivery"))

    @admin.action(description=_("Send again"), permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        """Make the deliveries due again."""
        count = webhooks.replay(queryset)
        messages.success(
            request, gettext("%(count)s deliveries will be sent again.") % {"count": count}
        )
