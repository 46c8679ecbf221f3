"""`bin/test`: static checks, then pytest, on throwaway servers that end with it."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from config.embedded.stack import Stack

ROOT = Path(__file__).resolve().parent.parent.parent
_PYTHON = sys.executable
_BIN = Path(_PYTHON).parent

STATIC: dict[str, list[str]] = {
    "models": [_PYTHON, "manage.py", "fetch_models"],
    "ruff check": [str(_BIN / "ruff"), "check", "."],
    "ruff format": [str(_BIN / "ruff"), "format", "--check", "."],
    "import contracts": [str(_BIN / "lint-imports")],
    "migrations": [_PYTHON, "manage.py", "makemigrations", "--check", "--dry-run"],
    "deploy check": [_PYTHON, "manage.py", "check", "--deploy", "--fail-level", "ERROR"],
}


def main() -> int:
    """Run the checks; return the exit code."""
    parser = argparse.ArgumentParser(prog="bin/test", description=__doc__)
    parser.add_argument("paths", nargs="*", help="only pytest, on these")
    parser.add_argument("--quick", action="store_true", help="leave out the tests marked slow")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    state = Path(tempfile.mkdtemp(prefix="cultivar-test-"))
    failed = []
    try:
        with Stack(state) as stack:
            environment = {**os.environ, **stack.environment, "DJANGO_SETTINGS_MODULE": "config.settings.production"}
            environment["MODELS_DIR"] = str(ROOT / "var" / "models")
            steps = {} if options.paths else dict(STATIC)
            steps["pytest"] = _pytest(options.paths, is_quick=options.quick)
            for name, command in steps.items():
                if not _is_good(name, command, environment):
                    failed.append(name)
            stack.stop()
            stack.remove()
    finally:
        shutil.rmtree(state, ignore_errors=True)
    print(f"\nFAILED: {', '.join(failed)}" if failed else "\nAll good.")
    return 1 if failed else 0


def _pytest(paths: list[str], *, is_quick: bool) -> list[str]:
    quick = ["-m", "not slow"] if is_quick else []
    return [_PYTHON, "-m", "pytest", "-n", "2", "-rsx", "--ds=config.settings.test", *quick, *(paths or ["tests"])]


def _is_good(name: str, command: list[str], environment: dict[str, str]) -> bool:
    print(f"\n== {name}", flush=True)
    started = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    print(f"== {name}: {'ok' if code == 0 else 'FAILED'} in {time.monotonic() - started:.0f} s", flush=True)
    return code == 0


if __name__ == "__main__":
    raise SystemExit(main())
