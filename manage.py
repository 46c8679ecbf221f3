#!/usr/bin/env python
"""Django's command line; without settings in the environment it uses those of bin/dev."""

import os
import sys


def main() -> None:
    """Run a management command."""
    if "DJANGO_SETTINGS_MODULE" not in os.environ and "SECRET_KEY" not in os.environ:
        from config.embedded.manage import local_environment

        os.environ.update(local_environment(sys.argv[1:]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
