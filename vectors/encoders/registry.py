"""Encoder registry: configured encoders by role, each loaded once per process."""

from pathlib import Path
from threading import Lock

from django.conf import settings

from vectors.encoders import multilingual
from vectors.encoders.base import Encoder, ImageEncoder
from vectors.encoders.files import model_kind
from vectors.encoders.image import Clip
from vectors.encoders.multilingual import UseMultilingual
from vectors.encoders.text import SentenceEncoder
from vectors.errors import ModelMissing

ROLES = ("text", "multilingual", "image")
_loaded: dict[str, Encoder] = {}
_load_lock = Lock()


def encoder(role: str) -> Encoder:
    """Return the configured encoder of a role (see ROLES); raises ModelMissing."""
    return encoder_by_id(encoder_id(role))


def encoder_id(role: str) -> str:
    """Return the id of the configured encoder of a role."""
    return model_id(settings.ENCODERS[role])


def model_id(source: str) -> str:
    """Return the id of a model given by path or hub name: "sentence-transformers/x" → "x"."""
    return Path(source).name


def encoder_by_id(name: str) -> Encoder:
    """
    Return the encoder with an id; raises ModelMissing.

    It need not be configured for a role: an older index is searched with its own encoder.
    """
    loaded = _loaded.get(name)
    if loaded is not None:
        return loaded
    with _load_lock:
        if name not in _loaded:
            _loaded[name] = _load(name)
        return _loaded[name]


def image_encoder() -> ImageEncoder:
    """Return the configured image encoder; raises ModelMissing."""
    configured = encoder("image")
    if not isinstance(configured, Clip):
        raise ModelMissing(
            f"{configured.id} cannot encode images: IMAGE_ENCODER must name a CLIP model."
        )
    return configured


def _load(name: str) -> Encoder:
    if name == multilingual.NAME:
        return UseMultilingual()
    if not name or Path(name).name != name or name in {".", ".."}:
        raise ModelMissing(f"{name!r} is not a model id.")
    folder = settings.MODELS_DIR / name
    is_image = model_kind(folder) == "clip" or name == encoder_id("image")
    return Clip(folder) if is_image else SentenceEncoder(folder)
