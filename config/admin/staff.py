"""Staff and roles in the console."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from config import second_factor, sessions

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class StaffAdmin(UserAdmin, ModelAdmin):
    """Django's page of users, drawn as the rest of the console."""

    warn_unsaved_form = True
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = (
        "username",
        "email",
        "roles",
        "is_active",
        "is_superuser",
        "protection",
        "last_login",
    )
    list_filter = ("groups", "is_active", "is_superuser")
    list_filter_submit = True
    autocomplete_fields = ("groups",)
    filter_horizontal = ("user_permissions",)
    actions = ("reset_second_factor",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Return the users with their roles and second factors."""
        return (
            super().get_queryset(request).select_related("second_factor").prefetch_related("groups")
        )

    @admin.display(description=_("Roles"))
    def roles(self, user: User) -> str:
        """Return the names of the roles."""
        return ", ".join(group.name for group in user.groups.all())

    @admin.display(description=_("Second factor"), boolean=True)
    def protection(self, user: User) -> bool:
        """Return whether the user has set up a second factor."""
        factor = getattr(user, "second_factor", None)
        return factor is not None and factor.confirmed_at is not None

    @admin.action(description=_("Reset the second factor"), permissions=["reset"])
    def reset_second_factor(
        self, request: HttpRequest, queryset: QuerySet[User]
    ) -> HttpResponse | None:
        """Ask; then remove the second factors of the selected users and end their sessions."""
        users = list(queryset)
        if "confirmed" not in request.POST:
            context = {
                **self.admin_site.each_context(request),
                "title": gettext("Reset the second factor"),
                "action": "reset_second_factor",
                "selected_ids": [user.pk for user in users],
                "users": users,
            }
            return TemplateResponse(request, "admin/account/reset.html", context)
        count = 0
        for user in users:
            if second_factor.remove(user, by=request.user):
                count += 1
                self.log_change(request, user, gettext("Second factor reset."))
            sessions.end_sessions(user.pk, but=request.session.session_key)
        text = ngettext("%(count)s second factor was reset.", "%(count)s were reset.", count)
        messages.success(request, text % {"count": count})
        return None

    def has_reset_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may reset second factors: superusers may."""
        user: Any = request.user
        return bool(user.is_superuser)


@admin.register(Group)
class RoleAdmin(GroupAdmin, ModelAdmin):
    """Roles: named sets of permissions, of which a user can have several."""

    warn_unsaved_form = True
    filter_horizontal = ("permissions",)
