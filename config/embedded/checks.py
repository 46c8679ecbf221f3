"""Static checks of bin/test and bin/check."""

import sys
from pathlib import Path

_BIN = Path(sys.executable).parent
_MANAGE = [sys.executable, "manage.py"]

CHECKS: dict[str, list[str]] = {
    "types": [str(_BIN / "mypy")],
    "lint": [str(_BIN / "ruff"), "check"],
    "security rules": [
        str(_BIN / "bandit"),
        *("--configfile", "pyproject.toml", "--quiet", "--recursive"),
        *("config", "mlops", "vectors", "catalog", "customers", "competitors", "biometrics"),
    ],
    "format": [str(_BIN / "ruff"), "format", "--check"],
    "import contracts": [str(_BIN / "lint-imports")],
    "migrations": [*_MANAGE, "makemigrations", "--check", "--dry-run"],
    "compose file": [
        str(_BIN / "check-jsonschema"),
        "--builtin-schema",
        "vendor.compose-spec",
        "compose.yaml",
    ],
    "deployment": [*_MANAGE, "check", "--deploy", "--fail-level", "WARNING"],
}
"""Command line by name; run with the production settings."""
