"""Effects that a model expects of a strain; for staff only. Served with numpy from a file checked by its hash."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog
from django.conf import settings

from catalog.reference.strains import Strain, fold

log = structlog.get_logger(__name__)
FOLDER, WEIGHTS, CARD = "effects", "effects.npz", "effects.json"
MOST_EFFECTS = 5
LEAST_PROBABILITY = 0.5
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectsModel:
    """
    Logistic regressions, one an effect.

    weights: (effects, features); bias: (effects,). features: "type:…", "terpene:…", "flavor:…", "parent:…" and, of
    parents whose own effects are known, "from-parents:…". of_parents: strain key → its effects in the training data.
    """

    effects: tuple[str, ...]
    features: dict[str, int]
    weights: Floats
    bias: Floats
    of_parents: dict[str, tuple[str, ...]]
    digest: str

    def probabilities(self, strain: Strain) -> Floats:
        """Return how likely each effect is, (effects,)."""
        row = np.zeros(len(self.features), dtype=np.float32)
        for name, value in feature_values(strain, self.of_parents).items():
            if name in self.features:
                row[self.features[name]] = value
        probabilities: Floats = 1 / (1 + np.exp(-(self.weights @ row + self.bias)))
        return probabilities


def feature_values(strain: Strain, effects_of: dict[str, tuple[str, ...]]) -> dict[str, float]:
    """Return what the model knows of a strain, by feature; a strain's own effects are never among it."""
    values = {f"type:{strain.strain_type or 'unknown'}": 1.0}
    values |= {f"terpene:{key}": 1 / (place + 1) for place, key in enumerate(strain.terpenes)}
    values |= {f"flavor:{flavor.lower()}": 1.0 for flavor in strain.flavors}
    parents = [fold(parent) for parent in strain.parents]
    values |= {f"parent:{key}": 1.0 for key in parents}
    told = [effects_of[key] for key in parents if key in effects_of and key != strain.key]
    for effects in told:
        for effect in effects:
            values[f"from-parents:{effect}"] = values.get(f"from-parents:{effect}", 0.0) + 1 / len(
                told
            )
    return values


def predict_effects(strain: Strain) -> tuple[str, ...]:
    """Return the effects that are more likely than not, likeliest first; none without a model, or of a bare name."""
    if not (strain.strain_type and (strain.terpenes or strain.parents or strain.flavors)):
        return ()
    model = effects_model()
    if model is None:
        return ()
    probabilities = model.probabilities(strain)
    order = np.argsort(-probabilities)[:MOST_EFFECTS]
    return tuple(
        model.effects[place] for place in order if probabilities[place] >= LEAST_PROBABILITY
    )


@lru_cache(maxsize=1)
def effects_model() -> EffectsModel | None:
    """Return the model that was trained last; None, with a line in the log, when there is none or it was altered."""
    folder = Path(settings.MODELS_DIR) / FOLDER
    if not (folder / CARD).is_file():
        return None
    try:
        return load(folder)
    except (OSError, ValueError, KeyError) as error:
        log.error("effects model left out", reason=str(error))
        return None


def load(folder: Path) -> EffectsModel:
    """Read a model's files; raises ValueError when the weights are not those of its card."""
    card: dict[str, Any] = json.loads((folder / CARD).read_text())
    body = (folder / WEIGHTS).read_bytes()
    digest = hashlib.sha256(body).hexdigest()
    if digest != card["sha256"]:
        raise ValueError(f"{WEIGHTS} does not match the hash on its card")
    with np.load(folder / WEIGHTS, allow_pickle=False) as arrays:
        weights, bias = arrays["weights"], arrays["bias"]
    return EffectsModel(
        effects=tuple(card["effects"]),
        features={name: place for place, name in enumerate(card["features"])},
        weights=weights,
        bias=bias,
        of_parents={key: tuple(effects) for key, effects in card["of_parents"].items()},
        digest=digest,
    )
