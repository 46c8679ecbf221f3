"""Definitions of pipelines and their sources: protocols and value types."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from mlops.pipelines.connectors.http import SourceResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class RawResponse:
    """
    One response of a source, byte for byte.

    Responses of a run with the same `bundle` are parsed together; `role` names each within its
    bundle.
    """

    bundle: str
    role: str
    url: str
    status: int
    content_type: str
    body: bytes
    fetched_at: datetime
    request_key: str = ""
    """sha256 of the request; empty when the same request is not sent again."""
    etag: str = ""
    last_modified: str = ""
    is_unmodified: bool = False

    @classmethod
    def from_response(cls, response: "SourceResponse", *, bundle: str, role: str) -> "RawResponse":
        """Return an HTTP response with its bundle and role."""
        return cls(
            bundle=bundle,
            role=role,
            url=response.url,
            status=response.status,
            content_type=response.content_type,
            body=response.body,
            fetched_at=response.fetched_at,
            request_key=response.request_key,
            etag=response.headers.get("ETag", ""),
            last_modified=response.headers.get("Last-Modified", ""),
            is_unmodified=response.is_unmodified,
        )


class SourceRecord(Protocol):
    """A record as the source wrote it."""

    @property
    def external_id(self) -> str:
        """The source's own id."""

    @property
    def payload(self) -> Mapping[str, Any]:
        """The parsed data that the record was read from, for quarantine."""


class PipelineSource(Protocol):
    """A supplier or registry: how to fetch its responses and parse its records."""

    @property
    def code(self) -> str:
        """Code of the source."""

    @property
    def label(self) -> str:
        """Name of the source."""

    @property
    def base_url(self) -> str:
        """Default address."""

    def fetch(self, client: Any, *, limit: int | None) -> Iterator[RawResponse]:
        """
        Fetch all pages. Raises SourceBroken at the first response in an unknown format.

        client: a SourceClient, or what the pipeline's `open_client` returns.
        """

    def parse(self, bundle: Sequence[RawResponse]) -> Iterator[Any]:
        """Read the records of a bundle, always in the same order. Raises SourceBroken."""

    def parse_payload(self, payload: Mapping[str, Any]) -> Iterator[Any]:
        """Read the records of a quarantined payload, as received or as fixed by a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAccess:
    """Settings that staff have made for reaching a source."""

    base_url: str = ""
    """Empty: the default of the source."""
    file: str = ""
    """Key of an uploaded file in object storage; read when there is no `base_url`."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    requests_per_second: float = 5


RepeatAction = Literal["repeated", "rejected", "combined"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatDecision:
    """
    What becomes of a record whose identifier stands in a feed more than once.

    index: position in the feed, from 0. action: "repeated": it says nothing that another record
    does not; "rejected": for `reason`; "combined": it is saved with `flags`, together with the
    records of `payloads`.
    """

    index: int
    action: RepeatAction
    reason: str = ""
    flags: tuple[str, ...] = ()
    payloads: tuple[Mapping[str, Any], ...] = ()


class Survey(Protocol):
    """Summary of a whole feed, computed before any record is processed."""

    @property
    def objection(self) -> str:
        """Why a person should check this feed before it is used; empty if there is no reason."""

    @property
    def newest_event_at(self) -> datetime | None:
        """Newest time that the records themselves name."""


@dataclass(frozen=True, slots=True)
class SaveCounts:
    """Numbers of rows that a save found new, changed and unchanged."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDifference:
    """
    The change that a save would make to one row: values by column, before and after.

    name: of the row, for people; empty: it has none.
    """

    key: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """An ordered processing of the records of its sources, up to saving them in batches."""

    name: str
    source: Callable[[str], PipelineSource]
    """Return the source with a code. Raises KeyError: unknown source."""
    access: Callable[[str], SourceAccess]
    """Return the access settings of the source with a code."""
    stages: tuple[Callable[[Any], Any], ...]
    """Pure functions, applied to each record in order. They raise RecordRejected."""
    survey: Callable[..., Survey]
    """
    Called with `source`, all `records` of a run before any is processed, and `is_partial`.

    Raises FeedSuspicious for what no person may accept.
    """
    repeats: Callable[..., Iterable[RepeatDecision]]
    """
    Called after the survey with all `records`, which may be read several times.

    Returns the records that are not processed by themselves, each once.
    """
    preview: Callable[..., list[RowDifference]]
    """Called with `listings` that a save would write; returns the changes, writes nothing."""
    save: Callable[..., SaveCounts]
    """Called with `listings`, `run`, `bundle`. Safe to repeat."""
    conclude: Callable[..., int]
    """
    Called with `source`, `survey` and `run` after all records are processed.

    Returns how many rows the source no longer lists.
    """
    checksum: Callable[[str], str]
    """Return the checksum of the rows of the source with a code."""
    version: Callable[[str], str]
    """Return a version that changes when the same bytes could give other rows."""
    output_table: str
    combine: Callable[..., Any] | None = None
    """
    Called with the `values` of records after the stages and `flags`; returns one value.

    None: `repeats` combines none.
    """
    open_client: Callable[..., AbstractContextManager[Any]] | None = None
    """Called with the access settings and `landed`; None: an HTTP client (SourceClient)."""
    mark_fixed: Callable[[Any], Any] | None = None
    """
    Called with a record that has values from staff; returns it with a mark of that.

    None: fixes of quarantined records are not remembered.
    """
    alert_codes: tuple[str, ...] = ()
    """Codes of alerts, besides those of every source, that a successful run closes."""
