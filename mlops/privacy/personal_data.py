"""Personal data stores: where data of a person can be; applications register in `privacy.py`."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db import connection

from config.declarations import DeclarationRegistry, function_name
from mlops.privacy.identifiers import Identifiers
from mlops.privacy.receipts import mentions_name

MAX_SAMPLES = 5
_PAGE_SIZE = 500
# Not longer than the shortest text that is redacted, as columns have maximum lengths.
_REDACTED = "[gone]"

# Returns the columns of a table that can contain text.
_TEXT_COLUMNS = """
SELECT attname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
  AND (t.typcategory IN ('S', 'A') OR t.typname IN ('jsonb', 'json', 'hstore'))
"""


@dataclass(frozen=True, slots=True)
class PersonalDataCount:
    """How many items of a store belong to a person, and the names of a few."""

    count: int
    samples: tuple[str, ...] = ()


class PersonalDataStore(ABC):
    """
    A store of one kind of personal data.

    After `delete`, `find` returns zero. Both are safe to repeat.
    """

    name: str
    tables: Sequence[str] = ()
    """Tables whose text columns are searched for the person after the erasure."""
    order: int = 50
    """Order of deletion: referring rows, then referenced rows, then copies outside the database."""
    retention_reason: str = ""
    """Why the data are kept in spite of an erasure; empty: they are deleted."""

    @abstractmethod
    def find(self, identifiers: Identifiers) -> PersonalDataCount:
        """Return how many items belong to the person."""

    @abstractmethod
    def delete(self, identifiers: Identifiers) -> int:
        """Delete the person's items, or anonymize them; return how many."""

    def export(self, identifiers: Identifiers) -> Iterator[Any]:  # noqa: ARG002  # for subclasses
        """Yield what the person may see of their data, as JSON values."""
        yield from ()


@dataclass(kw_only=True)
class PersonalRows(PersonalDataStore):
    """
    Rows of a table.

    where: SQL condition over the alias `t` that selects the person's rows. Parameters: %(id)s,
    %(external_ids)s, %(traces)s, %(patterns)s, and %(tables)s, the tables of all stores.
    anonymize_assignments: SET clause for rows that are anonymized instead of deleted.
    from_clause: FROM and WHERE of that UPDATE, before the condition.
    excluded_columns: columns that are not exported.
    identifier_columns: columns with the whole external id of a person; it is compared as a whole,
    since other people's ids may contain it.
    """

    name: str
    table: str
    where: str
    key: str = "id"
    order: int = 50
    retention_reason: str = ""
    anonymize_assignments: str = ""
    from_clause: str = ""
    excluded_columns: Sequence[str] = ()
    identifier_columns: Sequence[str] = ()
    is_exported: bool = True
    is_searched: bool = True
    tables: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        self.tables = (self.table,) if self.is_searched else ()

    def find(self, identifiers: Identifiers) -> PersonalDataCount:
        params = _sql_params(identifiers)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {self.table} t WHERE {self.where}", params)
            (count,) = cursor.fetchone()
            if not count:
                return PersonalDataCount(0)
            cursor.execute(
                f"SELECT t.{self.key}::text FROM {self.table} t WHERE {self.where}"
                f" LIMIT {MAX_SAMPLES}",
                params,
            )
            return PersonalDataCount(count, tuple(key for (key,) in cursor.fetchall()))

    def delete(self, identifiers: Identifiers) -> int:
        sql = f"DELETE FROM {self.table} t WHERE {self.where}"
        if self.anonymize_assignments:
            from_clause = self.from_clause or "WHERE true"
            sql = (
                f"UPDATE {self.table} t SET {self.anonymize_assignments} {from_clause}"
                f" AND ({self.where})"
            )
        with connection.cursor() as cursor:
            cursor.execute(sql, _sql_params(identifiers))
            return int(cursor.rowcount)

    def export(self, identifiers: Identifiers) -> Iterator[Any]:
        if not self.is_exported:
            return
        sql = (
            f"SELECT (to_jsonb(t) - %(excluded_columns)s::text[])::text FROM {self.table} t"
            f" WHERE {self.where} ORDER BY t.{self.key}"
        )
        params = {**_sql_params(identifiers), "excluded_columns": list(self.excluded_columns)}
        with connection.chunked_cursor() as cursor:
            cursor.execute(sql, params)
            while page := cursor.fetchmany(_PAGE_SIZE):
                yield from (json.loads(row) for (row,) in page)


@dataclass(kw_only=True)
class TextMentions(PersonalDataStore):
    """Free-text columns that can mention the person: mentions are redacted, the text stays."""

    table: str
    columns: Sequence[str]
    key: str = "id"
    name: str = field(init=False)
    order: int = field(init=False, default=80)

    def __post_init__(self) -> None:
        self.name = mentions_name(self.table)

    def find(self, identifiers: Identifiers) -> PersonalDataCount:
        is_mentioned = " OR ".join(f"t.{column} ~* ANY(%(patterns)s)" for column in self.columns)
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT t.{self.key}::text FROM {self.table} t WHERE {is_mentioned}",
                _sql_params(identifiers),
            )
            rows = cursor.fetchall()
        return PersonalDataCount(len(rows), tuple(key for (key,) in rows[:MAX_SAMPLES]))

    def delete(self, identifiers: Identifiers) -> int:
        assignments = ", ".join(
            f"{column} = regexp_replace({column}, %(pattern)s, '{_REDACTED}', 'gi')"
            for column in self.columns
        )
        is_mentioned = " OR ".join(f"{column} ~* %(pattern)s" for column in self.columns)
        changed = 0
        with connection.cursor() as cursor:
            for pattern in identifiers.patterns:
                cursor.execute(
                    f"UPDATE {self.table} SET {assignments} WHERE {is_mentioned}",
                    {"pattern": pattern},
                )
                changed += cursor.rowcount
        return changed


def _sql_params(identifiers: Identifiers) -> dict[str, Any]:
    return {
        "id": identifiers.id,
        "external_ids": list(identifiers.external_ids),
        "traces": list(identifiers.traces),
        "patterns": list(identifiers.patterns),
        "tables": personal_tables(),
    }


Identify = Callable[[UUID, bool], Identifiers | None]
"""Returns the identifiers of a person, None if unknown; locks their row if the flag is set."""
Find = Callable[[str], UUID | None]
"""Returns the id of the person with a number or id as staff write it; None if there is none."""
ErasureHook = Callable[[Identifiers, str], None]
"""Called after an erasure with the person's identifiers and who requested it."""
PERSONAL_DATA_STORES = DeclarationRegistry[str, PersonalDataStore](
    "privacy", name_of=attrgetter("name")
)
_IDENTIFIER_FUNCTIONS = DeclarationRegistry[str, Identify]("privacy", name_of=function_name)
_FIND_FUNCTIONS = DeclarationRegistry[str, Find]("privacy", name_of=function_name)
_ERASURE_HOOKS = DeclarationRegistry[str, ErasureHook]("privacy", name_of=function_name)
register = PERSONAL_DATA_STORES.register


def register_identifier(function: Identify) -> Identify:
    """Register a function that identifies a person; a decorator."""
    _IDENTIFIER_FUNCTIONS.register(function)
    return function


def register_finder(function: Find) -> Find:
    """Register a function that finds a person by a number or id; a decorator."""
    _FIND_FUNCTIONS.register(function)
    return function


def register_erasure_hook(function: ErasureHook) -> ErasureHook:
    """
    Register a function that is called after the commit of an erasure; a decorator.

    For data in processes and caches. It may be called more than once for the same person.
    """
    _ERASURE_HOOKS.register(function)
    return function


def personal_data_stores() -> list[PersonalDataStore]:
    """Return every registered store in the order of deletion."""
    # The stores of this package, which autodiscovery finds instead of a module `privacy`.
    import_module("mlops.privacy.engine_data")
    return sorted(PERSONAL_DATA_STORES.all(), key=attrgetter("order"))


def erasure_hooks() -> Sequence[ErasureHook]:
    """Return the functions that are called after an erasure."""
    return _ERASURE_HOOKS.all()


def identify(person_id: UUID, *, lock: bool = False) -> Identifiers | None:
    """
    Return the identifiers of a person; None for an unknown or erased person.

    lock: lock the person's row until the end of the transaction.
    """
    for function in _IDENTIFIER_FUNCTIONS.all():
        if identifiers := function(person_id, lock):
            return identifiers
    return None


def find_person(reference: str) -> UUID | None:
    """Return the id of the person with a number or id; None if there is none."""
    found = (function(reference) for function in _FIND_FUNCTIONS.all())
    return next((person_id for person_id in found if person_id), None)


def personal_tables() -> list[str]:
    """Return the tables that hold personal data."""
    return sorted({table for store in personal_data_stores() for table in store.tables})


def count_remaining_mentions(identifiers: Identifiers) -> dict[str, int]:
    """Return how many rows of each personal table mention the person in any text column."""
    counts: dict[str, int] = {}
    identifier_columns = {
        store.table: store.identifier_columns
        for store in personal_data_stores()
        if isinstance(store, PersonalRows)
    }
    with connection.cursor() as cursor:
        for table in personal_tables():
            cursor.execute(_TEXT_COLUMNS, [table])
            columns = [column for (column,) in cursor.fetchall()]
            conditions = [
                f't."{column}" = ANY(%(external_ids)s)'
                for column in columns
                if column in identifier_columns.get(table, ())
            ]
            texts = [
                f't."{column}"::text'
                for column in columns
                if column not in identifier_columns.get(table, ())
            ]
            if texts:
                conditions.append(f"concat_ws(chr(10), {', '.join(texts)}) ~ ANY(%(patterns)s)")
            if not conditions:
                continue
            cursor.execute(
                f"SELECT count(*) FROM {table} t WHERE {' OR '.join(conditions)}",
                {
                    "external_ids": list(identifiers.external_ids),
                    "patterns": list(identifiers.direct_patterns),
                },
            )
            if count := cursor.fetchone()[0]:
                counts[f"{table}: columns"] = int(count)
    return counts
