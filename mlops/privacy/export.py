"""Export: all personal data of a person, as JSON or as a ZIP archive."""

import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from config.clients.objects import read_current_objects
from config.errors import CultivarError
from mlops.privacy.engine_data import object_prefix
from mlops.privacy.identifiers import Identifiers
from mlops.privacy.personal_data import PersonalDataStore, identify, personal_data_stores

_README = """\
Your data / Vos données
=======================

English
-------
This archive contains all personal data that we hold about you, as of {now} (UTC). Each file with
the ending .json is one kind of data, is named after the place where we store it, and contains a
list; a kind without a file has no data. Dates are in UTC, prices in Canadian dollars. Files that
you gave us are in the folder files/. You may have incorrect data corrected, withdraw a consent, or
have everything erased: ask in a store, or write to the address in our privacy policy.

Français
--------
Cette archive contient tout ce que nous conservons sur vous, en date du {now} (UTC). Chaque fichier
se terminant par .json correspond à une sorte de données, porte le nom de l'endroit où elle se
trouve et contient une liste ; une sorte qui n'y figure pas serait vide. Les dates sont en UTC, les
prix en dollars canadiens. Les fichiers que vous nous avez remis se trouvent
dans le dossier files/. Vous pouvez faire corriger ce qui est inexact, retirer un consentement ou
faire tout supprimer : dites-le-nous en magasin ou à l'adresse indiquée dans notre politique de
confidentialité.
"""


class PersonNotFound(CultivarError):
    """No person with this id exists, or was ever erased."""

    code = "person_not_found"

    def __init__(self) -> None:
        super().__init__("Person not found.")


def export(subject: UUID) -> dict[str, list[Any]]:
    """
    Return all data of a person by store, as JSON values; stores without data as empty lists.

    Raises PersonNotFound.
    """
    identifiers = get_identifiers(subject)
    return {store.name: list(store.export(identifiers)) for store in _exported_stores()}


def export_zip(subject: UUID) -> Iterator[bytes]:
    """
    Return the chunks of a ZIP archive of all data of a person, built while they are read.

    It contains a JSON list for each store, the person's files, and a README. Raises
    PersonNotFound at once, not while the chunks are read.
    """
    return _zip_chunks(get_identifiers(subject))


def get_identifiers(subject: UUID) -> Identifiers:
    """Return the identifiers of a person. Raises PersonNotFound."""
    identifiers = identify(subject)
    if identifiers is None:
        raise PersonNotFound
    return identifiers


def _exported_stores() -> list[PersonalDataStore]:
    return [
        store
        for store in personal_data_stores()
        if type(store).export is not PersonalDataStore.export
        and getattr(store, "is_exported", True)
    ]


def _zip_chunks(identifiers: Identifiers) -> Iterator[bytes]:
    buffer = _ChunkBuffer()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]  # it only writes
        now = datetime.now(UTC)
        archive.writestr("README.txt", _README.format(now=f"{now:%Y-%m-%d %H:%M}"))
        for store in _exported_stores():
            rows = store.export(identifiers)
            first = next(rows, None)
            if first is None:
                continue
            with archive.open(f"{store.name}.json", "w") as file:
                file.write(b"[\n" + _json(first))
                for row in rows:
                    file.write(b",\n" + _json(row))
                    if buffer.size > buffer.CHUNK_SIZE:
                        yield buffer.take()
                file.write(b"\n]\n")
            yield buffer.take()
        for name, body in read_current_objects(object_prefix(identifiers)):
            archive.writestr(f"files/{name}", body)
            yield buffer.take()
    yield buffer.take()


def _json(row: Any) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode()


class _ChunkBuffer:
    """A write-only file whose content is taken out chunk by chunk."""

    CHUNK_SIZE = 65_536

    def __init__(self) -> None:
        self.size = 0
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        self.size += len(part)
        return len(part)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        chunk = b"".join(self._parts)
        self._parts = []
        self.size = 0
        return chunk
