"""What an application says of its rows, in a file `embeddings.py`, for them to be found by meaning."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet
from django.utils.module_loading import autodiscover_modules

from config.api.keys import Audience
from vectors.encoders.base import Vectors
from vectors.encoders.features import FeatureLayout


class _Entity(ABC):
    """Rows of one table in one collection, whatever makes their vectors."""

    collection: str
    # Whose changes concern it: rows of this table are noted in the outbox by triggers.
    table: str
    # Scalar fields of the collection: name → "float" or "text". A float that is unknown is -1.
    scalar_fields: dict[str, str]
    # Every field of a row that is read for its vector or scalars, and who may see it: what is encoded can be found.
    audiences: Mapping[str, Audience]

    @abstractmethod
    def queryset(self) -> QuerySet[Any]:
        """Return the rows that belong in the collection."""

    @abstractmethod
    def scalars(self, row: Any) -> dict[str, str | float]:
        """Return the scalar fields of a row."""

    def is_live(self) -> bool:
        """Tell whether it can be made here: a collection of a model that is not installed stays away."""
        return True


class EmbeddedEntity(_Entity):
    """Rows whose vectors are encoded: a text's, or a text's and the row's features joined."""

    # Which encoder makes the text half: "text", "multilingual" or "image"; settings say what these are.
    role: str
    # Features beside the text, and how much of the vector is the text's; None: text alone.
    layout: FeatureLayout | None = None
    text_weight: float = 1.0

    @abstractmethod
    def texts(self, rows: Sequence[Any]) -> list[str]:
        """Return what is encoded as text, a string a row."""

    def features(self, rows: Sequence[Any]) -> Vectors:
        """Return float32 (n, 384), unit rows; only where there is a layout."""
        raise NotImplementedError

    @property
    def layout_version(self) -> str:
        """Version of the features; empty for text alone."""
        return self.layout.version if self.layout else ""


class ComposedEntity(_Entity):
    """
    Rows whose vectors are sums of another collection's, in whose space they lie: unit(Σ weight · vector).

    A row has a vector where a part with a weight above 0 has one.
    """

    # The collection whose vectors are the parts; one that is encoded.
    made_of: str

    @abstractmethod
    def parts(self, rows: Sequence[Any]) -> Sequence[Mapping[UUID, float]]:
        """
        Return for each row the weights, above or below 0, of rows of the other collection.

        The same for the same rows whenever it is asked, or every vector would be made anew every time.
        """


Entity = EmbeddedEntity | ComposedEntity
_entities: dict[str, Entity] = {}
_Kind = TypeVar("_Kind", bound=type[EmbeddedEntity] | type[ComposedEntity])


def register(kind: _Kind) -> _Kind:
    """Declare an entity; used as a decorator. Refuses one that would let customers find by what is for staff."""
    for_staff = [name for name, audience in kind.audiences.items() if audience > Audience.VERIFIED]
    if for_staff or not set(kind.scalar_fields) <= set(kind.audiences):
        raise ImproperlyConfigured(
            f"{kind.__name__}: fields for staff, or without an audience: {for_staff}"
        )
    _entities[kind.collection] = kind()
    return kind


def entities() -> dict[str, Entity]:
    """Return every declared entity that can be made here, by collection; what is made of others comes after them."""
    autodiscover_modules("embeddings")
    live = [entity for entity in _entities.values() if entity.is_live()]
    return {
        entity.collection: entity
        for entity in sorted(live, key=lambda one: isinstance(one, ComposedEntity))
    }


def made_of(collection: str) -> list[str]:
    """Return the collections whose vectors are sums of this one's."""
    composed = (entity for entity in entities().values() if isinstance(entity, ComposedEntity))
    return [entity.collection for entity in composed if entity.made_of == collection]
