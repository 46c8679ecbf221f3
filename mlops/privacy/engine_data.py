"""Personal data stores of the engine: quarantine, outbox, audit, logs, Redis, objects, sets."""

from collections.abc import Iterator
from typing import Any

from config.clients.objects import delete_versions, list_versions, read_current_objects
from config.clients.redis import find_keys, read_key, remove_keys
from mlops.privacy.identifiers import Identifiers
from mlops.privacy.personal_data import (
    MAX_SAMPLES,
    PersonalDataCount,
    PersonalDataStore,
    PersonalRows,
    TextMentions,
    register,
)
from mlops.registry import count_subject_rows, remove_subject_rows

_IS_MENTIONED = "~ ANY(%(patterns)s)"


class RedisKeys(PersonalDataStore):
    """Redis keys whose name or value mentions the person."""

    name = "redis"
    order = 100

    def find(self, identifiers: Identifiers) -> PersonalDataCount:
        keys = find_keys(identifiers.match)
        names = tuple(key.decode(errors="replace") for _, key in keys[:MAX_SAMPLES])
        return PersonalDataCount(len(keys), names)

    def delete(self, identifiers: Identifiers) -> int:
        return remove_keys(find_keys(identifiers.match), identifiers.match)

    def export(self, identifiers: Identifiers) -> Iterator[Any]:
        for url, key in find_keys(identifiers.match):
            name = key.decode(errors="replace")
            # Other keys hold data of several people and are not exported.
            if identifiers.match(name):
                yield {"key": name, "value": read_key(url, key)}


class StoredObjects(PersonalDataStore):
    """Objects below `people/{id}/` with all their versions."""

    name = "objects"
    order = 100

    def find(self, identifiers: Identifiers) -> PersonalDataCount:
        versions = list_versions(object_prefix(identifiers))
        names = tuple(
            f"{version.key} {version.version}".rstrip() for version in versions[:MAX_SAMPLES]
        )
        return PersonalDataCount(len(versions), names)

    def delete(self, identifiers: Identifiers) -> int:
        return delete_versions(list_versions(object_prefix(identifiers)))

    def export(self, identifiers: Identifiers) -> Iterator[Any]:
        for name, body in read_current_objects(object_prefix(identifiers)):
            yield {"name": name, "bytes": len(body)}


class TrainingSets(PersonalDataStore):
    """
    Rows of the person in frozen training sets, which are stored again without them.

    They are copies of rows that the person gets from other stores, so that none is exported.
    """

    name = "frozen training sets"
    order = 100

    def find(self, identifiers: Identifiers) -> PersonalDataCount:
        counts = count_subject_rows(identifiers.id)
        return PersonalDataCount(sum(counts.values()), tuple(sorted(counts)[:MAX_SAMPLES]))

    def delete(self, identifiers: Identifiers) -> int:
        return remove_subject_rows(identifiers.id)


def object_prefix(identifiers: Identifiers) -> str:
    """Return the key prefix of a person's objects."""
    return f"people/{identifiers.id}/"


register(
    PersonalRows(
        name="quarantined_records",
        table="quarantined_records",
        where=f"t.payload::text {_IS_MENTIONED} OR t.fixed_payload::text {_IS_MENTIONED}"
        f" OR t.external_id {_IS_MENTIONED}",
    ),
    PersonalRows(
        name="event_outbox",
        table="event_outbox",
        where=f"t.key {_IS_MENTIONED} OR t.data::text {_IS_MENTIONED}",
    ),
    PersonalRows(
        name="webhook_deliveries",
        table="webhook_deliveries",
        where=f"t.data::text {_IS_MENTIONED}",
    ),
    PersonalRows(
        name="row_changes",
        table="row_changes",
        where="t.table_name = ANY(%(tables)s)"
        f" AND (t.row_id = %(id)s OR t.before::text {_IS_MENTIONED}"
        f" OR t.after::text {_IS_MENTIONED})",
        is_searched=False,  # changes of products can be millions of rows
    ),
    TextMentions(table="quarantined_records", columns=("reason",)),
    TextMentions(table="operations", columns=("reason",)),
    TextMentions(table="system_metrics", columns=("message",)),
    TextMentions(table="alerts", columns=("message",)),
    TextMentions(table="comments", columns=("text",)),
    TextMentions(table="erasures", columns=("reason", "error")),
    TextMentions(table="django_admin_log", columns=("object_repr", "change_message")),
    RedisKeys(),
    StoredObjects(),
    TrainingSets(),
)
