"""Saved filters of the price board."""

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q, QuerySet

from competitors.models import SavedBoardFilter


def visible_filters(user: AbstractBaseUser) -> QuerySet[SavedBoardFilter]:
    """Return the filters of a user and the shared ones of others, by name."""
    return SavedBoardFilter.objects.filter(Q(owner=user.pk) | Q(is_shared=True))
