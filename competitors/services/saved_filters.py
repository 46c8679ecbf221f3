"""Saving and deletion of filters of the price board."""

from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser

from competitors.models import SavedBoardFilter


def save_filter(
    *, name: str, query: str, owner: AbstractBaseUser, is_shared: bool
) -> SavedBoardFilter:
    """Save a filter; one of the same name of this user is replaced."""
    saved, _ = SavedBoardFilter.objects.update_or_create(
        owner_id=owner.pk, name=name, defaults={"query": query, "is_shared": is_shared}
    )
    return saved


def delete_filter(*, pk: UUID, owner: AbstractBaseUser) -> bool:
    """Delete a filter of this user; return whether there was one."""
    return bool(SavedBoardFilter.objects.filter(pk=pk, owner=owner.pk).delete()[0])
