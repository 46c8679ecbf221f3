"""A web process starts, addresses and all, without what only training and exporting need."""

import os
import subprocess
import sys

from config.embedded.stack import ROOT

HEAVY = ("torch", "transformers", "sentence_transformers", "sklearn", "scrapy")
PROGRAM = f"""
import sys
import config.wsgi
from django.urls import get_resolver
assert get_resolver().reverse_dict
print(",".join(name for name in {HEAVY!r} if name in sys.modules))
"""


def test_web_process_starts_without_the_heavy_libraries() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == ""
