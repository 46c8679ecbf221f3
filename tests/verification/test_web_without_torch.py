"""A web process starts, URLs included, without the libraries of training and model export."""

import os
import subprocess
import sys

from config.embedded.stack import ROOT

HEAVY_LIBRARIES = ("torch", "transformers", "sentence_transformers", "sklearn", "scrapy")
PROGRAM = f"""
import sys
import config.wsgi
from django.urls import get_resolver
assert get_resolver().reverse_dict
print(",".join(name for name in {HEAVY_LIBRARIES!r} if name in sys.modules))
"""


def test_web_process_does_not_import_heavy_libraries() -> None:
    completed = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert completed.stdout.strip() == ""
