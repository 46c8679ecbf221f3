"""What the engines may hold of a person: quarantine, events, history, lines of logs, keys, objects."""

from collections.abc import Iterator
from typing import Any

from config.clients.objects import newest, remove_versions, versions
from config.clients.redis import keys_naming, read_key, remove_keys
from mlops.privacy.identifiers import Subject
from mlops.privacy.personal_data import SAMPLES, Found, Mentions, Place, Rows, declare

_NAMED = "~* ANY(%(patterns)s)"


class Keys(Place):
    """Keys of Redis whose name or value names the person."""

    name = "redis"
    order = 100

    def find(self, subject: Subject) -> Found:
        keys = keys_naming(subject.is_in)
        return Found(len(keys), tuple(key.decode(errors="replace") for _, key in keys[:SAMPLES]))

    def remove(self, subject: Subject) -> int:
        return remove_keys(keys_naming(subject.is_in), subject.is_in)

    def export(self, subject: Subject) -> Iterator[Any]:
        for url, key in keys_naming(subject.is_in):
            name = key.decode(errors="replace")
            if subject.is_in(name):  # of what others share only the name is told
                yield {"key": name, "value": read_key(url, key)}


class Objects(Place):
    """Objects below `people/{id}/`, with all their versions."""

    name = "objects"
    order = 100

    def find(self, subject: Subject) -> Found:
        found = versions(prefix_of(subject))
        return Found(
            len(found), tuple(f"{one.key} {one.version}".rstrip() for one in found[:SAMPLES])
        )

    def remove(self, subject: Subject) -> int:
        return remove_versions(versions(prefix_of(subject)))

    def export(self, subject: Subject) -> Iterator[Any]:
        for name, body in newest(prefix_of(subject)):
            yield {"name": name, "bytes": len(body)}


def prefix_of(subject: Subject) -> str:
    """Return where the objects of a person lie."""
    return f"people/{subject.id}/"


declare(
    Rows(
        name="quarantined_records",
        table="quarantined_records",
        where=f"t.payload::text {_NAMED} OR t.fixed_payload::text {_NAMED} OR t.external_id {_NAMED}",
    ),
    Rows(
        name="event_outbox", table="event_outbox", where=f"t.key {_NAMED} OR t.data::text {_NAMED}"
    ),
    Rows(
        name="row_changes",
        table="row_changes",
        where="t.table_name = ANY(%(tables)s)"
        f" AND (t.row_id = %(id)s OR t.before::text {_NAMED} OR t.after::text {_NAMED})",
        is_searched=False,  # what is of products alone may be millions of rows
    ),
    Mentions(table="quarantined_records", columns=("reason",)),
    Mentions(table="operations", columns=("reason",)),
    Mentions(table="system_metrics", columns=("message",)),
    Mentions(table="alerts", columns=("message",)),
    Mentions(table="erasures", columns=("reason", "error")),
    Mentions(table="django_admin_log", columns=("object_repr", "change_message")),
    Keys(),
    Objects(),
)
