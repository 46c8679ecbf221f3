"""Checks that read the code without running it, for bin/test and bin/check."""

import sys
from pathlib import Path

_BIN = Path(sys.executable).parent
_MANAGE = [sys.executable, "manage.py"]

SLOWEST = "types"
"""The check that is started first and beside the others."""
CHECKS: dict[str, list[str]] = {
    "types": [str(_BIN / "mypy")],
    "lint": [str(_BIN / "ruff"), "check"],
    "format": [str(_BIN / "ruff"), "format", "--check"],
    "import contracts": [str(_BIN / "lint-imports")],
    "migrations": [*_MANAGE, "makemigrations", "--check", "--dry-run"],
    "deployment": [*_MANAGE, "check", "--deploy", "--fail-level", "WARNING"],
}
"""Name of a step and its command line; run with the production settings."""
