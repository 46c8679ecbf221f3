"""Runs a management command with the settings of the bin/dev of the same state directory."""

import os
import sys
from pathlib import Path

from config.embedded.stack import ROOT, Stack, given_settings


def main() -> None:
    """Become `manage.py` with the addresses and secrets in its environment; exit 2 when nothing runs."""
    settings = given_settings()
    stack = Stack(Path(settings.get("STATE_DIR", ROOT / "var")), settings=settings)
    idle = [server.name for server in stack.servers.values() if not server.is_attached()]
    if idle:
        print(f"Not running: {', '.join(idle)}. Start bin/dev first, in another terminal.", file=sys.stderr)
        raise SystemExit(2)
    environment = {"DJANGO_SETTINGS_MODULE": "config.settings.dev", "LOG_FORMAT": "console", **os.environ}
    os.execve(
        sys.executable,
        [sys.executable, str(ROOT / "manage.py"), *sys.argv[1:]],
        environment | stack.environment,
    )


if __name__ == "__main__":
    main()
