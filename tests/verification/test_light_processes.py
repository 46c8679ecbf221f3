"""Commands and web processes start without libraries that only few of their functions use."""

import os
import subprocess
import sys

import pytest

from config.embedded.stack import ROOT

HEAVY_LIBRARIES = (
    "boto3",
    "botocore",
    "faiss",
    "kafka",
    "onnxruntime",
    "pandas",
    "pyarrow",
    "pymilvus",
    "scipy",
    "scrapy",
    "sentence_transformers",
    "sklearn",
    "torch",
    "transformers",
)
# Imported by the generator of the API schema, which web processes serve.
LIBRARIES_OF_THE_SCHEMA = ("drf_spectacular.plumbing", "rest_framework.test")
HELP = "import sys, manage; sys.argv = ['manage.py', 'help']; manage.main()"
WEB = "import config.wsgi; from django.urls import get_resolver; get_resolver().reverse_dict"
REPORT = """
import sys
print("imported:", *(name for name in {names!r} if name in sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("start", "names"),
    [(HELP, HEAVY_LIBRARIES + LIBRARIES_OF_THE_SCHEMA), (WEB, HEAVY_LIBRARIES)],
    ids=["manage.py help", "web process"],
)
def test_process_starts_without_heavy_libraries(start: str, names: tuple[str, ...]) -> None:
    completed = subprocess.run(
        [sys.executable, "-c", f"{start}\n{REPORT.format(names=names)}"],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert completed.stderr.splitlines()[-1].split() == ["imported:"]
