#!/usr/bin/env python
"""Runs Cultivar's management commands."""

import os
import sys


def main() -> None:
    """Hand the command line to Django; a wrong setting ends it with one line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
