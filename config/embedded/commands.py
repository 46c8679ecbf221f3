"""
Process that runs management commands one after the other and so pays for the imports once.

Usage: `python -m config.embedded.commands`. It reads one request a line from standard input,
`{"arguments": [...], "environment": {...}}`, and writes one response a line to standard output,
`{"output": "...", "error": null}`. Logs and tracebacks go to standard error. It ends when standard
input is closed.
"""

import contextlib
import io
import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

import django
from django.core.management import CommandError, call_command
from django.db import close_old_connections


def serve(requests: TextIO, responses: TextIO) -> None:
    """Run each requested command, without system checks; a failed one does not end the process."""
    for line in requests:
        response = run(json.loads(line))
        responses.write(json.dumps(response) + "\n")
        responses.flush()


def run(request: Mapping[str, Any]) -> dict[str, str | None]:
    """Run one command; return what it printed, and its error as one line or None."""
    output = io.StringIO()
    error = None
    # Rich writes to sys.stdout, Django's commands to the file that they are given.
    with _environment(request["environment"]), contextlib.redirect_stdout(output):
        try:
            call_command(*request["arguments"], stdout=output)
        except CommandError as failure:
            error = " ".join(str(failure).split())
        except Exception as failure:  # reported to the caller, which ends the start
            traceback.print_exc()
            error = f"{type(failure).__name__}: {' '.join(str(failure).split())}"
        finally:
            close_old_connections()
    return {"output": output.getvalue(), "error": error}


@contextlib.contextmanager
def _environment(extra: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables of one command."""
    before = dict(os.environ)
    os.environ.update(extra)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


if __name__ == "__main__":
    django.setup()
    serve(sys.stdin, sys.stdout)
