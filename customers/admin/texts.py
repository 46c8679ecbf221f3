"""What people are asked."""

from django.contrib import admin

from customers.models import ConsentText
from mlops.admin.reading import ReadOnlyAdmin


@admin.register(ConsentText)
class ConsentTextAdmin(ReadOnlyAdmin):
    """Every version that anybody was ever shown."""

    list_display = ("purpose", "version", "text_en", "text_fr", "created_at")
    list_filter = ("purpose",)
