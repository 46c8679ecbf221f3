"""Console pages of staff, roles, API keys and the schedule."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from config.admin import api_keys, schedules, staff

__all__ = ["api_keys", "schedules", "staff"]

admin.site.index_title = _("Home")
