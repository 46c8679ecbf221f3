"""Console pages of consent texts."""

from django.contrib import admin

from customers.models import ConsentText
from mlops.admin.read_only import ReadOnlyAdmin


@admin.register(ConsentText)
class ConsentTextAdmin(ReadOnlyAdmin):
    """All versions of the consent texts."""

    list_display = ("purpose", "version", "text_en", "text_fr", "created_at")
    list_filter = ("purpose",)
