"""Write the Python client, the request collection and the table of error codes."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.urls import get_resolver
from django.utils.translation import override
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer

from config.api.client_sources import collection, models_source, operations_source
from config.api.problem_types import problem_types
from config.env import ROOT

_FORMAT = [sys.executable, "-m", "ruff", "format", "--quiet", "--stdin-filename", "client.py", "-"]
_PACKAGE = Path("clients") / "python" / "cultivar_client"
_DOCUMENT = Path("docs") / "api.md"
_ERROR_CODES = re.compile(
    r"(?<=<!-- error codes: begin -->\n).*(?=<!-- error codes: end -->)", re.DOTALL
)


def generated_files() -> dict[Path, str]:
    """Return the texts of all generated files, by their paths in the repository."""
    get_resolver().url_patterns  # noqa: B018  # registers the extensions of the schema

    with override("en"):
        generator: Any = SchemaGenerator()  # type: ignore[no-untyped-call]
        rendered = OpenApiJsonRenderer().render(generator.get_schema(request=None, public=True))
        codes = _error_table()
    document = json.loads(rendered)
    page = (ROOT / _DOCUMENT).read_text(encoding="utf-8")
    return {
        _PACKAGE / "models.py": _formatted(models_source(document)),
        _PACKAGE / "operations.py": _formatted(operations_source(document)),
        Path("clients") / "cultivar.postman_collection.json": (
            json.dumps(collection(document), ensure_ascii=False, indent=1) + "\n"
        ),
        _DOCUMENT: _ERROR_CODES.sub(lambda _: codes, page),
    }


def _error_table() -> str:
    lines = ["| status | code | title | meaning |", "|---|---|---|---|"]
    lines += [
        f"| {item.status} | `{item.code}` | {item.title} | {item.meaning} |"
        for item in problem_types()
    ]
    return "\n".join(lines) + "\n"


def _formatted(source: str) -> str:
    result = subprocess.run(
        _FORMAT, input=source, capture_output=True, text=True, check=True, cwd=ROOT
    )
    return result.stdout


class Command(BaseCommand):
    """Needs no server."""

    help = "Write clients/ and the error codes of docs/api.md from the REST API's declarations."

    def handle(self, **_options: Any) -> None:
        """Write the files."""
        for path, text in generated_files().items():
            (ROOT / path).write_text(text, encoding="utf-8")
            self.stdout.write(str(path))
