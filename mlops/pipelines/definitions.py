"""What a source and a pipeline are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mlops.pipelines.connectors.http import SourceAnswer, SourceClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One response as sent; those of a run with the same `bundle` are parsed together, `role` tells them apart."""

    bundle: str
    role: str
    url: str
    status: int
    content_type: str
    body: bytes
    fetched_at: datetime
    request_key: str = ""
    """sha256 of what was asked; empty when the same question is not asked again."""
    etag: str = ""
    last_modified: str = ""
    is_unmodified: bool = False

    @classmethod
    def of(cls, answer: "SourceAnswer", *, bundle: str, role: str) -> "Fetched":
        """Give an answer its place in a run."""
        return cls(
            bundle=bundle,
            role=role,
            url=answer.url,
            status=answer.status,
            content_type=answer.content_type,
            body=answer.body,
            fetched_at=answer.fetched_at,
            request_key=answer.request_key,
            etag=answer.headers.get("ETag", ""),
            last_modified=answer.headers.get("Last-Modified", ""),
            is_unmodified=answer.is_unmodified,
        )


class Record(Protocol):
    """A record as the source wrote it."""

    @property
    def external_id(self) -> str:
        """The source's own id."""

    @property
    def payload(self) -> Mapping[str, Any]:
        """What it was read from, for quarantine."""


class Source(Protocol):
    """A supplier's way of answering."""

    code: str
    label: str
    base_url: str
    price_kind: str

    def fetch(self, client: "SourceClient", *, limit: int | None) -> Iterator[Fetched]:
        """Walk all pages; raises SourceBroken as soon as an answer is not in the source's format."""

    def parse(self, bundle: Sequence[Fetched]) -> Iterator[Any]:
        """Read the records of a bundle as written, always in the same order. Raises SourceBroken."""

    def records_of(self, payload: Mapping[str, Any]) -> Iterator[Any]:
        """Read the records of a payload again, as it was quarantined or as a person has mended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How staff have said that a source is to be reached."""

    base_url: str = ""
    """Empty: the source's own."""
    file: str = ""
    """Where an uploaded file lies in object storage; read where there is no address."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    requests_per_second: float = 5


class Survey(Protocol):
    """What a whole feed holds, known before any of it is used."""

    @property
    def objection(self) -> str:
        """Why a person should look before this feed is used; empty when nothing speaks against it."""

    @property
    def newest_event_at(self) -> datetime | None:
        """Newest time that the records themselves tell."""


@dataclass(frozen=True, slots=True)
class Saved:
    """How many rows a save found new, changed and unchanged."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a rehearsed save would do to one row: values by column, before and after."""

    key: str
    before: Mapping[str, str]
    after: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A road: its sources, what is done to each record in order, how the batch is saved."""

    name: str
    source: Callable[[str], Source]
    """Return the source of a code; raises KeyError when there is none."""
    access: Callable[[str], Access]
    """Return how the source of a code is to be reached."""
    stages: tuple[Callable[[Any], Any], ...]
    survey: Callable[..., Survey]
    """Called with `source`, all `records` of a run before any is refined, and `is_partial`. Raises FeedSuspicious for
    what no person may accept."""
    preview: Callable[..., list[Difference]]
    """Called with `listings` that a save would write; returns what it would change, writes nothing."""
    save: Callable[..., Saved]
    """Called with `listings`, `run`, `bundle`. Safe to repeat."""
    conclude: Callable[..., int]
    """Called with `source`, `survey` and `run` after all is refined; returns how many rows the source no longer lists."""
    checksum: Callable[[str], str]
    version: Callable[[str], str]
    """Return what changes whenever the same bytes might be refined into something else."""
    output_table: str
