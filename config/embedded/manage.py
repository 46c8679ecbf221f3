"""Runs a management command with the settings of the bin/dev of the same state directory."""

import os
import sys
from pathlib import Path

from config.embedded.stack import NOWHERE, ROOT, Stack, given_settings

# These read or write no server, and so need none to run.
_WITHOUT_SERVERS = {
    "check",
    "clean_strings",
    "data_dictionary",
    "env_example",
    "fetch_models",
    "help",
    "makemigrations",
}


def local_environment(arguments: list[str]) -> dict[str, str]:
    """
    Return the addresses and secrets of the bin/dev that runs on the state directory; ends with exit 2 when none does.

    arguments: the command line after the program's name; a command that needs no server may run without.
    """
    settings = given_settings()
    stack = Stack(Path(settings.get("STATE_DIR", ROOT / "var")), settings=settings)
    idle = [server for server in stack.servers.values() if not server.is_attached()]
    needs_none = not arguments or "--help" in arguments or arguments[0] in _WITHOUT_SERVERS
    if idle and not needs_none:
        names = ", ".join(server.name for server in idle)
        print(f"Not running: {names}. Start bin/dev first, in another terminal.", file=sys.stderr)
        raise SystemExit(2)
    for server in idle:
        del stack.servers[server.name]
    local = {"DJANGO_SETTINGS_MODULE": "config.settings.dev", "LOG_FORMAT": "console"}
    return {**NOWHERE, **local, **os.environ, **stack.environment}


def main() -> None:
    """Become `manage.py` with that environment."""
    environment = local_environment(sys.argv[1:])
    os.execve(sys.executable, [sys.executable, str(ROOT / "manage.py"), *sys.argv[1:]], environment)


if __name__ == "__main__":
    main()
