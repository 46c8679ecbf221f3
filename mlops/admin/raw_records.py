"""Console pages of raw records, with preview and download of their bytes."""

import io
from mimetypes import guess_extension
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from config.clients.clamav import FileInfected, ScannerUnavailable, scan_file
from mlops.admin.read_only import ReadOnlyAdmin, preformatted
from mlops.models import RawRecord
from mlops.pipelines.landing import read_body

PREVIEW_BYTES = 20_000
_UNSCANNED = _("The virus scanner is unavailable, or refuses files of this size.")
_UNREADABLE = _("The bytes are missing in the store, or differ from their checksum.")


@admin.register(RawRecord)
class RawRecordAdmin(ReadOnlyAdmin):
    """Responses of sources, byte for byte."""

    list_display = (
        "bundle",
        "role",
        "source",
        "status",
        "size_bytes",
        "fetched_at",
        "processed_at",
        "content_hash",
    )
    list_filter = ("source", "status")
    search_fields = ("content_hash", "url")
    fields = (
        "source",
        "run",
        "bundle",
        "role",
        "url",
        "status",
        "content_type",
        "size_bytes",
        "fetched_at",
        "processed_at",
        "content_hash",
        "download",
        "preview",
    )
    readonly_fields = ("download", "preview")

    def get_urls(self) -> list[Any]:
        """Add the download."""
        view = self.admin_site.admin_view(self.send_bytes)
        return [path("<uuid:pk>/bytes/", view, name="mlops_rawrecord_bytes"), *super().get_urls()]

    @admin.display(description=_("bytes"))
    def download(self, record: RawRecord) -> SafeString:
        """Show a link to the bytes."""
        return format_html(
            '<a class="{}" href="{}">{}</a>',
            "text-primary-600 underline dark:text-primary-400",
            reverse("admin:mlops_rawrecord_bytes", args=[record.pk]),
            _("Download"),
        )

    @admin.display(description=_("preview"))
    def preview(self, record: RawRecord) -> SafeString:
        """Show the first 20 kB as text."""
        try:
            body = read_body(record)
        except (OSError, ValueError):
            return preformatted(str(_UNREADABLE))
        hidden_bytes = len(body) - PREVIEW_BYTES
        more = f"\n… and {hidden_bytes:,} bytes more" if hidden_bytes > 0 else ""
        return preformatted(body[:PREVIEW_BYTES].decode(errors="replace") + more)

    def send_bytes(self, request: HttpRequest, pk: UUID) -> HttpResponseBase:
        """Send the bytes as an attachment: a browser must not render a supplier's HTML."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        record = get_object_or_404(RawRecord, pk=pk)
        try:
            body = read_body(record)
        except (OSError, ValueError):
            return _refusal(str(_UNREADABLE), status=410)
        try:
            scan_file(io.BytesIO(body))
        except FileInfected as error:
            text = _("The virus scanner found %(signature)s; these bytes are not sent.")
            return _refusal(text % {"signature": error.signature}, status=403)
        except ScannerUnavailable:
            return _refusal(str(_UNSCANNED), status=503)
        name = f"{record.content_hash[:12]}{_extension(record.content_type)}"
        disposition = f'attachment; filename="{name}"'
        return HttpResponse(
            body,
            content_type="application/octet-stream",
            headers={"Content-Disposition": disposition},
        )


def _refusal(text: str, *, status: int) -> HttpResponse:
    return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8")


def _extension(content_type: str) -> str:
    """Return the file extension of a media type, with its dot; "" for an unknown one."""
    return guess_extension(content_type.partition(";")[0].strip()) or ""
