"""The deployed price model, as processes use it."""

from competitors.pricing.model import PriceModel, load
from mlops.registry import ServedModel

PRICING: ServedModel[PriceModel] = ServedModel("pricing", artifact_format="json", load=load)
