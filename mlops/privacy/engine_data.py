"""What the engines may hold of a person: quarantine, events, history, lines of logs, keys, objects."""

from collections.abc import Iterator
from typing import Any

from config.clients.objects import delete_versions, list_versions, read_current_objects
from config.clients.redis import find_keys, read_key, remove_keys
from mlops.privacy.identifiers import Identifiers
from mlops.privacy.personal_data import (
    SAMPLES,
    PersonalDataCount,
    PersonalDataStore,
    PersonalRows,
    TextMentions,
    register,
)

_NAMED = "~* ANY(%(patterns)s)"


class Keys(PersonalDataStore):
    """Keys of Redis whose name or value names the person."""

    name = "redis"
    order = 100

    def find(self, identifiers: Identifiers) -> PersonalDataCount:
        keys = find_keys(identifiers.is_in)
        return PersonalDataCount(
            len(keys), tuple(key.decode(errors="replace") for _, key in keys[:SAMPLES])
        )

    def delete(self, identifiers: Identifiers) -> int:
        return remove_keys(find_keys(identifiers.is_in), identifiers.is_in)

    def export(self, identifiers: Identifiers) -> Iterator[Any]:
        for url, key in find_keys(identifiers.is_in):
            name = key.decode(errors="replace")
            if identifiers.is_in(name):  # of what others share only the name is told
                yield {"key": name, "value": read_key(url, key)}


class Objects(PersonalDataStore):
    """Objects below `people/{id}/`, with all their versions."""

    name = "objects"
    order = 100

    def find(self, identifiers: Identifiers) -> PersonalDataCount:
        found = list_versions(prefix_of(identifiers))
        return PersonalDataCount(
            len(found), tuple(f"{one.key} {one.version}".rstrip() for one in found[:SAMPLES])
        )

    def delete(self, identifiers: Identifiers) -> int:
        return delete_versions(list_versions(prefix_of(identifiers)))

    def export(self, identifiers: Identifiers) -> Iterator[Any]:
        for name, body in read_current_objects(prefix_of(identifiers)):
            yield {"name": name, "bytes": len(body)}


def prefix_of(identifiers: Identifiers) -> str:
    """Return where the objects of a person lie."""
    return f"people/{identifiers.id}/"


register(
    PersonalRows(
        name="quarantined_records",
        table="quarantined_records",
        where=f"t.payload::text {_NAMED} OR t.fixed_payload::text {_NAMED} OR t.external_id {_NAMED}",
    ),
    PersonalRows(
        name="event_outbox", table="event_outbox", where=f"t.key {_NAMED} OR t.data::text {_NAMED}"
    ),
    PersonalRows(
        name="row_changes",
        table="row_changes",
        where="t.table_name = ANY(%(tables)s)"
        f" AND (t.row_id = %(id)s OR t.before::text {_NAMED} OR t.after::text {_NAMED})",
        is_searched=False,  # what is of products alone may be millions of rows
    ),
    TextMentions(table="quarantined_records", columns=("reason",)),
    TextMentions(table="operations", columns=("reason",)),
    TextMentions(table="system_metrics", columns=("message",)),
    TextMentions(table="alerts", columns=("message",)),
    TextMentions(table="erasures", columns=("reason", "error")),
    TextMentions(table="django_admin_log", columns=("object_repr", "change_message")),
    Keys(),
    Objects(),
)
