"""Print every setting with its type, default and one line: `manage.py env_example > .env.example`."""

import types
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from django.core.management.base import BaseCommand
from pydantic.fields import FieldInfo

from config.env import ROOT, Environment

_HEAD = """\
# Settings of Cultivar, from the environment or a file `.env` beside this one. bin/dev makes the first five itself
# where they are absent, and starts a server for each of the three addresses among them.
# Made by `bin/manage env_example`; a test holds it against config/env.py.
"""


class Command(BaseCommand):
    """Writes from the declarations in config.env, so that the two cannot part."""

    help = "Print every setting with its type, default and one line, as .env.example has them."
    requires_system_checks = ()

    def handle(self, **_: Any) -> None:
        """Print."""
        self.stdout.write(example(), ending="")


def example() -> str:
    """Return the text of .env.example."""
    lines = [_HEAD]
    for name, field in Environment.model_fields.items():
        lines.append(f"# {field.description} ({_type(field.annotation)}; {_default(field)})")
        lines.append(f"{'' if field.is_required() else '#'}{name.upper()}={_value(field)}\n")
    return "\n".join(lines)


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(get_args(annotation))
    if get_origin(annotation) is types.UnionType:
        return _type(get_args(annotation)[0])
    return {str: "text", Path: "folder", bool: "true or false", int: "number"}.get(
        annotation, "list"
    )


def _default(field: FieldInfo) -> str:
    return "required" if field.is_required() else f"default {_value(field) or 'empty'}"


def _value(field: FieldInfo) -> str:
    value = None if field.is_required() else field.default
    if isinstance(value, Path):
        return str(value.relative_to(ROOT)) if value.is_relative_to(ROOT) else str(value)
    return ",".join(value) if isinstance(value, list) else str(value or "")
