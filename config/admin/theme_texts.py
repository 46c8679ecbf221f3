"""Texts of the console's theme and of Django's schedules that have no French there."""

from django.utils.translation import gettext_noop as _

TEXTS = (
    _("Apply Filters"),
    _("No results found"),
    _("Select all rows"),
    _("Click to cancel"),
    _("Task Name"),
)
"""Listed here for the extraction of messages."""
