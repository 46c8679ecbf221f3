"""Run a management command with the settings of the running bin/dev."""

import os
import sys
from pathlib import Path

from config.embedded.stack import ROOT, UNREACHABLE, Stack, configured_settings

# Commands that use no server.
_COMMANDS_WITHOUT_SERVERS = {
    "check",
    "clean_strings",
    "match_pairs",
    "train_matching",
    "data_dictionary",
    "env_example",
    "fetch_models",
    "help",
    "makemigrations",
    "train_recommender",
}


def local_environment(arguments: list[str]) -> dict[str, str]:
    """
    Return addresses and secrets of the bin/dev that runs on the state directory.

    arguments: the command line after the program's name. Ends the process with exit code 2 when
    bin/dev does not run and the command needs a server.
    """
    settings = configured_settings()
    stack = Stack(Path(settings.get("STATE_DIR", ROOT / "var")), settings=settings)
    stopped = [server for server in stack.servers.values() if not server.is_running()]
    needs_servers = (
        bool(arguments)
        and "--help" not in arguments
        and arguments[0] not in _COMMANDS_WITHOUT_SERVERS
    )
    if stopped and needs_servers:
        names = ", ".join(server.name for server in stopped)
        print(f"Not running: {names}. Start bin/dev first, in another terminal.", file=sys.stderr)
        raise SystemExit(2)
    for server in stopped:
        del stack.servers[server.name]
    defaults = {
        "ALLOW_LOOPBACK_SOURCES": settings.get("ALLOW_LOOPBACK_SOURCES", "true"),
        "LOG_FORMAT": "console",
    }
    # Not a default: importing `config` has set that of production.
    own = {"DJANGO_SETTINGS_MODULE": "config.settings.dev"}
    return {**UNREACHABLE, **defaults, **os.environ, **own, **stack.environment}


def main() -> None:
    """Replace this process by `manage.py` with that environment."""
    environment = local_environment(sys.argv[1:])
    os.execve(sys.executable, [sys.executable, str(ROOT / "manage.py"), *sys.argv[1:]], environment)


if __name__ == "__main__":
    main()
