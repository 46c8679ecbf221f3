"""Problem types of customers and chats."""

from django.utils.translation import gettext_lazy as _

from config.api.problem_types import register_problem_type

register_problem_type(
    "chat_closed",
    409,
    _("Chat session closed"),
    _("No message can be appended to a closed session; open another one."),
)
