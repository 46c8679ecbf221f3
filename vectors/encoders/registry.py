"""Which encoder serves which role, by setting; each is loaded once a process."""

from pathlib import Path
from threading import Lock

from django.conf import settings

from vectors.encoders import multilingual
from vectors.encoders.base import Encoder, ImageEncoder
from vectors.encoders.files import kind
from vectors.encoders.image import Clip
from vectors.encoders.multilingual import UseMultilingual
from vectors.encoders.text import SentenceGraph
from vectors.errors import ModelMissing

_loaded: dict[str, Encoder] = {}
_loading = Lock()


def encoder(role: str) -> Encoder:
    """Return the encoder the settings choose for "text", "multilingual" or "image"; raises ModelMissing."""
    return encoder_named(chosen(role))


def chosen(role: str) -> str:
    """Return the id of the encoder of a role; a path or hub name is known by its last part."""
    return id_of(settings.ENCODERS[role])


def id_of(source: str) -> str:
    """Return the id of a model given by path or hub name: "sentence-transformers/x" is "x"."""
    return Path(source).name


def encoder_named(name: str) -> Encoder:
    """Return the encoder with an id, chosen now or not: an older index is served by its own; raises ModelMissing."""
    found = _loaded.get(name)
    if found is not None:
        return found
    with _loading:
        if name not in _loaded:
            _loaded[name] = _load(name)
        return _loaded[name]


def image_encoder() -> ImageEncoder:
    """Return the encoder of images the settings choose; raises ModelMissing."""
    found = encoder("image")
    if not isinstance(found, Clip):
        raise ModelMissing(f"{found.id} encodes no images: IMAGE_ENCODER must name a CLIP.")
    return found


def _load(name: str) -> Encoder:
    if name == multilingual.NAME:
        return UseMultilingual()
    if not name or Path(name).name != name or name in {".", ".."}:
        raise ModelMissing(f"{name!r} names no model.")
    folder = settings.MODELS_DIR / name
    is_image = kind(folder) == "clip" or name == chosen("image")
    return Clip(folder) if is_image else SentenceGraph(folder)
