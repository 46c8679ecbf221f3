"""
Predicted effects of strains, for staff only; served with numpy.

A run predicts with the version that is deployed when it computes its fingerprint; without one, with
the files in the models directory, if there are any.
"""

import hashlib
import io
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog
from django.conf import settings

from catalog.reference.strains import Strain, name_key
from mlops.registry import ServedModel

log = structlog.get_logger(__name__)
FOLDER, WEIGHTS, CARD = "effects", "effects.npz", "effects.json"
MAX_EFFECTS = 5
MIN_PROBABILITY = 0.5
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectsModel:
    """
    Logistic regressions, one per effect.

    weights: (effects, features); bias: (effects,). features: index by name: "type:…", "terpene:…",
    "flavor:…", "parent:…" and, for parents with known effects, "from-parents:…". of_parents:
    effects of each strain of the training data by strain key.
    """

    effects: tuple[str, ...]
    features: dict[str, int]
    weights: Floats
    bias: Floats
    of_parents: dict[str, tuple[str, ...]]
    digest: str

    def probabilities(self, strain: Strain) -> Floats:
        """Return the probability of each effect, (effects,)."""
        row = np.zeros(len(self.features), dtype=np.float32)
        for name, value in feature_values(strain, self.of_parents).items():
            if name in self.features:
                row[self.features[name]] = value
        probabilities: Floats = 1 / (1 + np.exp(-(self.weights @ row + self.bias)))
        return probabilities


def feature_values(strain: Strain, effects_of: dict[str, tuple[str, ...]]) -> dict[str, float]:
    """Return the model features of a strain by name; its own effects are not among them."""
    values = {f"type:{strain.strain_type or 'unknown'}": 1.0}
    values |= {f"terpene:{key}": 1 / rank for rank, key in enumerate(strain.terpenes, start=1)}
    values |= {f"flavor:{flavor.lower()}": 1.0 for flavor in strain.flavors}
    parents = [name_key(parent) for parent in strain.parents]
    values |= {f"parent:{key}": 1.0 for key in parents}
    effects_of_parents = [
        effects_of[key] for key in parents if key in effects_of and key != strain.key
    ]
    for effects in effects_of_parents:
        for effect in effects:
            name = f"from-parents:{effect}"
            values[name] = values.get(name, 0.0) + 1 / len(effects_of_parents)
    return values


def predict_effects(strain: Strain) -> tuple[str, ...]:
    """Return the effects with a probability of at least one half, the most probable first.

    Empty without a model, and for a strain known by name only.
    """
    if not (strain.strain_type and (strain.terpenes or strain.parents or strain.flavors)):
        return ()
    model = effects_model()
    if model is None:
        return ()
    probabilities = model.probabilities(strain)
    order = np.argsort(-probabilities)[:MAX_EFFECTS]
    return tuple(model.effects[index] for index in order if probabilities[index] >= MIN_PROBABILITY)


def effects_model() -> EffectsModel | None:
    """Return the model that is deployed or else installed; None without one."""
    return _Serving.model or installed_effects_model()


def refresh_effects_model() -> EffectsModel | None:
    """Return the model in use from now on: the version that is deployed now, if any."""
    serving = EFFECTS.current()
    _Serving.model = serving.model if serving else None
    return effects_model()


@lru_cache(maxsize=1)
def installed_effects_model() -> EffectsModel | None:
    """Return the installed model; None without one, and, logged, when its files are damaged."""
    folder = Path(settings.MODELS_DIR) / FOLDER
    if not (folder / CARD).is_file():
        return None
    try:
        return load(folder)
    except (OSError, ValueError, KeyError) as error:
        log.error("effects_model.unreadable", error=str(error))  # noqa: TRY400  # no traceback needed
        return None


def load(folder: Path) -> EffectsModel:
    """Load a model; raises ValueError when the weights do not have the hash of the model card."""
    card = read_card(folder)
    with np.load(folder / WEIGHTS, allow_pickle=False) as arrays:
        return _build(arrays["weights"], arrays["bias"], card, digest=card["sha256"])


def read_card(folder: Path) -> dict[str, Any]:
    """Return a model card; raises ValueError when the weights do not have its hash."""
    card: dict[str, Any] = json.loads((folder / CARD).read_text())
    if hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest() != card["sha256"]:
        raise ValueError(f"{WEIGHTS} does not match the hash on its card")
    return card


def load_artifact(body: bytes) -> EffectsModel:
    """Load the artifact of a version. Raises ValueError, KeyError."""
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        names = json.loads(str(arrays["names"]))
        return _build(arrays["weights"], arrays["bias"], names, digest=names["digest"])


def dump_artifact(model: EffectsModel) -> bytes:
    """Return a model as the artifact of a version: weights, and names as JSON."""
    names = {
        "digest": model.digest or _digest(model),
        "effects": model.effects,
        "features": list(model.features),
        "of_parents": model.of_parents,
    }
    buffer = io.BytesIO()
    np.savez(buffer, weights=model.weights, bias=model.bias, names=np.array(json.dumps(names)))
    return buffer.getvalue()


def _digest(model: EffectsModel) -> str:
    parts = (model.weights.tobytes(), model.bias.tobytes(), repr(model.features).encode())
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _build(weights: Floats, bias: Floats, names: dict[str, Any], *, digest: str) -> EffectsModel:
    return EffectsModel(
        effects=tuple(names["effects"]),
        features={name: index for index, name in enumerate(names["features"])},
        weights=weights,
        bias=bias,
        of_parents={key: tuple(effects) for key, effects in names["of_parents"].items()},
        digest=digest,
    )


class _Serving:
    """The deployed model, as this process last read it."""

    model: EffectsModel | None = None


EFFECTS: ServedModel[EffectsModel] = ServedModel(
    "effects", artifact_format="npz", load=load_artifact
)
