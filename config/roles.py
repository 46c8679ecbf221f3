"""Roles of staff as groups; `settings.roles` says what each may do."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.db import transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleChange:
    """A role, whether its group is new, and the permissions that it gains and loses."""

    role: str
    is_new: bool
    added: tuple[str, ...]
    removed: tuple[str, ...]


def matching(patterns: Iterable[str], permissions: Iterable[str]) -> set[str]:
    """
    Return the permissions, "app.codename", that patterns give.

    Patterns apply in order; one with "!" in front takes away what those before it gave.
    """
    known = tuple(permissions)
    given: set[str] = set()
    for pattern in patterns:
        found = {name for name in known if fnmatchcase(name, pattern.removeprefix("!"))}
        given = given - found if pattern.startswith("!") else given | found
    return given


@transaction.atomic
def install_roles(*, reset: bool = False, dry_run: bool = False) -> list[RoleChange]:
    """
    Create the missing groups of settings.ROLES and return the changes.

    Existing groups stay as staff left them, unless `reset`: then they get the permissions of the
    settings again. dry_run: changes nothing.
    """
    by_name = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    changes = []
    for role, patterns in settings.ROLES.items():
        group = Group.objects.filter(name=role).first()
        if group is not None and not reset:
            continue
        current = _permissions_of(group)
        wanted = matching(patterns, by_name)
        change = RoleChange(
            role=role,
            is_new=group is None,
            added=tuple(sorted(wanted - current)),
            removed=tuple(sorted(current - wanted)),
        )
        changes.append(change)
        if not dry_run and (change.is_new or change.added or change.removed):
            group = group or Group.objects.create(name=role)
            group.permissions.set(by_name[name] for name in wanted)
    return changes


def _permissions_of(group: Group | None) -> set[str]:
    if group is None:
        return set()
    rows = group.permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in rows}
