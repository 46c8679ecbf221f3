"""The schedule of background tasks in the console."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from django_celery_beat.admin import (
    ClockedScheduleAdmin,
    CrontabScheduleAdmin,
    PeriodicTaskAdmin,
    PeriodicTaskForm,
    TaskSelectWidget,
)
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin, TabularInline
from unfold.widgets import UnfoldAdminSelectWidget

for _model in (ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule):
    admin.site.unregister(_model)


class _TaskWidget(UnfoldAdminSelectWidget, TaskSelectWidget):
    """The registered tasks, as a select of the console."""


class ScheduledTaskForm(PeriodicTaskForm):
    """A task, by the names of those that are registered, and when it runs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["regtask"].widget = _TaskWidget()
        self.fields["regtask"].label = _("Task")
        self.fields["regtask"].required = True
        self.initial.setdefault("regtask", self.instance.task)

    def clean_regtask(self) -> str:
        """Return the name of a registered task; the library accepts any text."""
        name: str = self.cleaned_data["regtask"]
        if name not in dict(self.fields["regtask"].widget.choices):
            raise forms.ValidationError(_("is not a registered task"))
        return name


class ScheduledTasks(TabularInline):
    """Tasks that use a schedule, read-only."""

    model = PeriodicTask
    fields = ("name", "task", "enabled")
    readonly_fields = fields
    can_delete = False
    extra = 0
    show_change_link = True
    verbose_name_plural = _("Tasks with this schedule")

    def has_add_permission(self, _request: Any, _obj: Any = None) -> bool:
        """Tasks are added on their own page."""
        return False


@admin.register(PeriodicTask)
class ScheduledTaskAdmin(PeriodicTaskAdmin, ModelAdmin):
    """When each background task runs."""

    form = ScheduledTaskForm
    # The library's template sets the crontab in words by an inline script; the list shows it here.
    change_form_template = None
    date_hierarchy = None
    list_display = ("name", "task", "enabled", "schedule_in_words", "last_run_at")
    list_filter = ("enabled", "task")
    list_filter_submit = True
    warn_unsaved_form = True
    fieldsets = (
        (None, {"fields": ("name", "regtask", "enabled", "description")}),
        (
            _("Schedule"),
            {
                "fields": (
                    "crontab",
                    "schedule_in_words",
                    "interval",
                    "clocked",
                    "start_time",
                    "one_off",
                    "last_run_at",
                )
            },
        ),
        (
            _("Arguments and delivery"),
            {
                "fields": ("args", "kwargs", "expires", "expire_seconds", "queue", "priority"),
                "classes": ("collapse",),
            },
        ),
    )
    readonly_fields = ("last_run_at", "schedule_in_words")

    @admin.display(description=_("In words"))
    def schedule_in_words(self, task: PeriodicTask) -> str:
        """Return the schedule in words, with its time zone; empty without one."""
        if task.crontab:
            return str(task.crontab.human_readable)
        return str(task.scheduler) if any(_schedules_of(task)) else ""


def _schedules_of(task: PeriodicTask) -> Iterable[Any]:
    return (task.interval, task.solar, task.clocked)


@admin.register(CrontabSchedule)
class CrontabAdmin(CrontabScheduleAdmin, ModelAdmin):
    """Times of day and week."""

    warn_unsaved_form = True
    inlines = (ScheduledTasks,)
    list_display = ("human_readable", "timezone")


@admin.register(IntervalSchedule)
class IntervalAdmin(ModelAdmin):
    """Intervals between runs."""

    warn_unsaved_form = True
    inlines = (ScheduledTasks,)


@admin.register(ClockedSchedule)
class ClockedAdmin(ClockedScheduleAdmin, ModelAdmin):
    """Single moments."""

    warn_unsaved_form = True
    inlines = (ScheduledTasks,)
