"""Where data of a person may lie: declared by each application in a file `privacy.py`, looked through by the engine."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.module_loading import autodiscover_modules

from mlops.privacy.identifiers import Subject

SAMPLES = 5
_PAGE = 500
_GONE = "[gone]"  # no longer than what it stands for, as columns have limits


@dataclass(frozen=True, slots=True)
class Found:
    """How many of a place's things are the person's, and the names of a few."""

    count: int
    samples: tuple[str, ...] = ()


class Place(ABC):
    """One kind of thing that may be a person's. `find` after `remove` finds nothing, however often either is called."""

    name: str
    tables: Sequence[str] = ()
    """Tables whose every column of text is searched once more when all is removed."""
    order: int = 50
    """Who goes first: rows that refer to others, then the rows they refer to, then copies outside of the database."""
    kept: str = ""
    """Why it stays, where it does."""

    @abstractmethod
    def find(self, subject: Subject) -> Found:
        """Return what is there."""

    @abstractmethod
    def remove(self, subject: Subject) -> int:
        """Remove it, or what in it is the person's; return of how many."""

    def export(self, subject: Subject) -> Iterator[Any]:
        """Yield what the person may see of it, each fit for JSON."""
        yield from ()


@dataclass(kw_only=True)
class Rows(Place):
    """
    Rows of a table.

    where: SQL over the alias `t` that tells whose they are; may use %(id)s, %(numbers)s, %(traces)s, %(patterns)s and
    %(tables)s, the tables of all places. forget: assignments that make them nobody's, where rows are not deleted; source: SQL
    put between those and the condition. hidden: columns that are not exported.
    """

    name: str
    table: str
    where: str
    key: str = "id"
    order: int = 50
    kept: str = ""
    forget: str = ""
    source: str = ""
    hidden: Sequence[str] = ()
    is_exported: bool = True
    is_searched: bool = True
    tables: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        self.tables = (self.table,) if self.is_searched else ()

    def find(self, subject: Subject) -> Found:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT count(*) FROM {self.table} t WHERE {self.where}", _values(subject)
            )
            (count,) = cursor.fetchone()
            if not count:
                return Found(0)
            cursor.execute(
                f"SELECT t.{self.key}::text FROM {self.table} t WHERE {self.where} LIMIT {SAMPLES}",
                _values(subject),
            )
            return Found(count, tuple(name for (name,) in cursor.fetchall()))

    def remove(self, subject: Subject) -> int:
        with connection.cursor() as cursor:
            if self.forget:
                source = self.source or "WHERE true"
                cursor.execute(
                    f"UPDATE {self.table} t SET {self.forget} {source} AND ({self.where})",
                    _values(subject),
                )
            else:
                cursor.execute(f"DELETE FROM {self.table} t WHERE {self.where}", _values(subject))
            return int(cursor.rowcount)

    def export(self, subject: Subject) -> Iterator[Any]:
        if not self.is_exported:
            return
        sql = f"SELECT (to_jsonb(t) - %(hidden)s::text[])::text FROM {self.table} t WHERE {self.where} ORDER BY t.{self.key}"
        with connection.chunked_cursor() as cursor:
            cursor.execute(sql, {**_values(subject), "hidden": list(self.hidden)})
            while page := cursor.fetchmany(_PAGE):
                yield from (json.loads(row) for (row,) in page)


@dataclass(kw_only=True)
class Mentions(Place):
    """Columns of free text, of whomever's rows, in which the person may be named: the name goes, the rest stays."""

    table: str
    columns: Sequence[str]
    key: str = "id"
    name: str = field(init=False)
    order: int = field(init=False, default=80)

    def __post_init__(self) -> None:
        self.name = f"{self.table}: mentions"

    def find(self, subject: Subject) -> Found:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT t.{self.key}::text FROM {self.table} t WHERE {self._names}",
                _values(subject),
            )
            rows = cursor.fetchall()
        return Found(len(rows), tuple(name for (name,) in rows[:SAMPLES]))

    def remove(self, subject: Subject) -> int:
        changed = 0
        with connection.cursor() as cursor:
            for pattern in subject.patterns:
                told = ", ".join(
                    f"{c} = regexp_replace({c}, %(pattern)s, '{_GONE}', 'gi')" for c in self.columns
                )
                where = " OR ".join(f"{c} ~* %(pattern)s" for c in self.columns)
                cursor.execute(
                    f"UPDATE {self.table} SET {told} WHERE {where}", {"pattern": pattern}
                )
                changed += cursor.rowcount
        return changed

    @property
    def _names(self) -> str:
        return " OR ".join(f"t.{column} ~* ANY(%(patterns)s)" for column in self.columns)


def _values(subject: Subject) -> dict[str, Any]:
    return {
        "id": subject.id,
        "numbers": list(subject.numbers),
        "traces": list(subject.traces),
        "patterns": list(subject.patterns),
        "tables": personal_tables(),
    }


Identify = Callable[[UUID, bool], Subject | None]
OnErased = Callable[[Subject, str], None]
_places: dict[str, Place] = {}
_identifying: list[Identify] = []
_on_erased: list[OnErased] = []


def declare(*places: Place) -> None:
    """Add places."""
    _places.update({place.name: place for place in places})


def identify_by(function: Identify) -> Identify:
    """Let the function tell who a subject is, and hold their row if it is told to; used as a decorator."""
    if function not in _identifying:
        _identifying.append(function)
    return function


def on_erased(function: OnErased) -> OnErased:
    """
    Call the function when a person is erased, after the commit, with who asked; used as a decorator.

    For what a process or a cache holds of them; may be called again for the same person.
    """
    if function not in _on_erased:
        _on_erased.append(function)
    return function


def _discover() -> None:
    """Import the declarations of every application and of the engine."""
    autodiscover_modules("privacy")
    import_module("mlops.privacy.engine_data")


def places() -> list[Place]:
    """Return every declared place, in the order of removal."""
    _discover()
    return sorted(_places.values(), key=lambda place: place.order)


def hooks() -> Sequence[OnErased]:
    """Return who wants to know of an erasure."""
    _discover()
    return tuple(_on_erased)


def identify(pk: UUID, *, lock: bool = False) -> Subject | None:
    """Return who this is, held until the end of the transaction if asked; None when nobody knows them (any more)."""
    _discover()
    return next((subject for ask in _identifying if (subject := ask(pk, lock))), None)


def personal_tables() -> list[str]:
    """Return the tables that hold data of people."""
    return sorted({table for place in places() for table in place.tables})


def named_in_columns(subject: Subject) -> dict[str, int]:
    """Return in how many rows of each personal table any column that holds text names the person's id or numbers."""
    found: dict[str, int] = {}
    with connection.cursor() as cursor:
        for table in personal_tables():
            cursor.execute(
                """
                SELECT attname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
                  AND (t.typcategory IN ('S', 'A') OR t.typname IN ('jsonb', 'json', 'hstore'))
                """,
                [table],
            )
            texts = [f't."{column}"::text' for (column,) in cursor.fetchall()]
            if texts:
                cursor.execute(
                    f"SELECT count(*) FROM {table} t WHERE concat_ws(chr(10), {', '.join(texts)}) ~* ANY(%s)",
                    [list(subject.own_patterns)],
                )
                if count := cursor.fetchone()[0]:
                    found[f"{table}: columns"] = int(count)
    return found
