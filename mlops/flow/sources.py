"""What a source and a pipeline are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from config.clients.http import HttpClient


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

    def fetch(self, client: HttpClient, *, limit: int | None) -> Iterator[Fetched]:
        """Walk all pages; raises SourceBroken as soon as an answer is not in the source's format."""

    def parse(self, bundle: Sequence[Fetched]) -> Iterator[Any]:
        """Read the records of a bundle as written."""


@dataclass(frozen=True, slots=True)
class Saved:
    """How many rows a save found new, changed and unchanged, and the checksum of the source's rows after it."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A road: its sources, what is done to each record in order, how the batch is saved."""

    name: str
    sources: tuple[Source, ...]
    stages: tuple[Callable[[Any], Any], ...]
    save: Callable[..., Saved]
    survey: Callable[..., Any]
    """Called with `source`, all `records` of a run before any is refined, `is_partial`, `is_accepted`; returns what
    `retire` wants to know. Raises FeedSuspicious."""
    retire: Callable[..., int]
    """Called with `source` and the survey after all is refined; returns how many rows the source no longer lists."""
    checksum: Callable[[str], str]
    output_table: str

    def source(self, code: str) -> Source:
        """Return the source of this code; KeyError when there is none."""
        return {source.code: source for source in self.sources}[code]
