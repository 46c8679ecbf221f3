"""Entity declarations: which rows an application makes searchable by vector (`embeddings.py`)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet

from config.audiences import Audience
from config.declarations import DeclarationRegistry
from vectors.encoders.base import Vectors
from vectors.encoders.features import FeatureLayout


class _BaseEntity(ABC):
    """Rows of one table in one collection, independent of how their vectors are computed."""

    # Name of the collection; in Milvus an alias of the index that serves it.
    collection: str
    # Table whose changes are written to the outbox by triggers.
    table: str
    # Scalar fields of the collection by name: "float" or "text". An unknown float is -1.
    scalar_fields: dict[str, str]
    # Every field of a row that is read for its vector or scalars, and who may see it: whatever is
    # encoded can be found by a search.
    audiences: Mapping[str, Audience]

    @abstractmethod
    def queryset(self) -> QuerySet[Any]:
        """Return the rows that belong in the collection."""

    @abstractmethod
    def scalars(self, row: Any) -> dict[str, str | float]:
        """Return the scalar fields of a row."""

    def is_available(self) -> bool:
        """Return False when its vectors cannot be computed here, as its model is not installed."""
        return True


class EmbeddedEntity(_BaseEntity):
    """Rows with encoded vectors: of a text, or of a text and features concatenated."""

    # Role of the text encoder: "text", "multilingual" or "image"; the settings name the model.
    role: str
    # Layout of the features beside the text, and the weight of the text; None: text alone.
    layout: FeatureLayout | None = None
    text_weight: float = 1.0

    @abstractmethod
    def texts(self, rows: Sequence[Any]) -> list[str]:
        """Return the text to encode of each row."""

    def features(self, rows: Sequence[Any]) -> Vectors:
        """Return float32 (n, 384), unit rows; called only when there is a layout."""
        raise NotImplementedError

    @property
    def layout_version(self) -> str:
        """Version of the feature layout; empty for text alone."""
        return self.layout.version if self.layout else ""


class ComposedEntity(_BaseEntity):
    """
    Rows whose vectors are weighted sums of another collection's: unit(Σ weight · vector).

    Their vectors lie in the space of that collection. A row has a vector when at least one of its
    components with a weight above 0 has one.
    """

    # Collection of the component vectors; its entity is an EmbeddedEntity.
    source_collection: str

    @abstractmethod
    def component_weights(self, rows: Sequence[Any]) -> Sequence[Mapping[UUID, float]]:
        """
        Return for each row the weights, above or below 0, of rows of the source collection.

        Must be deterministic: equal data give equal weights at any time, or every vector would be
        computed again on every run.
        """


Entity = EmbeddedEntity | ComposedEntity
ENTITIES = DeclarationRegistry[str, Entity]("embeddings", name_of=attrgetter("collection"))
_EntityClass = TypeVar("_EntityClass", bound=type[EmbeddedEntity] | type[ComposedEntity])


def register(entity_class: _EntityClass) -> _EntityClass:
    """
    Register an entity class; used as a decorator.

    Raises ImproperlyConfigured for fields without audience or for staff only: clients could find
    rows by them.
    """
    refused = [
        name for name, audience in entity_class.audiences.items() if audience > Audience.VERIFIED
    ]
    if refused or not set(entity_class.scalar_fields) <= set(entity_class.audiences):
        raise ImproperlyConfigured(
            f"{entity_class.__name__}: fields for staff, or without an audience: {refused}"
        )
    ENTITIES.register(entity_class())
    return entity_class


def entities() -> dict[str, Entity]:
    """Return the available entities by collection, composed ones after those they depend on."""
    available = [entity for entity in ENTITIES.all() if entity.is_available()]
    ordered = sorted(available, key=lambda entity: isinstance(entity, ComposedEntity))
    return {entity.collection: entity for entity in ordered}


def dependent_collections(collection: str) -> list[str]:
    """Return the collections whose vectors are composed of this one's."""
    composed = (entity for entity in entities().values() if isinstance(entity, ComposedEntity))
    return [entity.collection for entity in composed if entity.source_collection == collection]
