"""Everything on one person, for them to see and to take along."""

import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from config.clients.objects import read_current_objects
from config.errors import CultivarError
from mlops.privacy.engine_data import prefix_of
from mlops.privacy.identifiers import Identifiers
from mlops.privacy.personal_data import PersonalDataStore, identify, personal_data_stores

_README = """\
Your data / Vos données
=======================

English
-------
This archive holds everything that we keep on you, as of {now} (UTC). Each file with the ending .json is one kind of data,
named after the place where it lies, and holds a list; a file of one kind that is not here would be empty. Dates are in
UTC, prices in Canadian dollars. Files that you gave us lie in the folder files/. You may have anything wrong corrected,
take a consent back, or have everything erased: tell us in a store or by the address in our privacy policy.

Français
--------
Cette archive contient tout ce que nous conservons sur vous, en date du {now} (UTC). Chaque fichier se terminant par .json
correspond à une sorte de données, porte le nom de l'endroit où elle se trouve et contient une liste ; une sorte qui n'y
figure pas serait vide. Les dates sont en UTC, les prix en dollars canadiens. Les fichiers que vous nous avez remis se
trouvent dans le dossier files/. Vous pouvez faire corriger ce qui est inexact, retirer un consentement ou faire tout
supprimer : dites-le-nous en magasin ou à l'adresse indiquée dans notre politique de confidentialité.
"""


class PersonNotFound(CultivarError):
    """Nobody knows of such a person, and nobody of that id was ever erased."""

    code = "person_not_found"

    def __init__(self) -> None:
        super().__init__("This is the id of no customer.")


def export(subject: UUID) -> dict[str, list[Any]]:
    """Return everything on a person by place, fit for JSON; places that hold nothing are there, empty. Raises PersonNotFound."""
    person = known(subject)
    return {name: list(place.export(person)) for name, place in _told(person)}


def export_zip(subject: UUID) -> Iterator[bytes]:
    """
    Yield a ZIP archive of everything on a person, as it is read: a JSON list a place, objects as they are, a README.

    Raises PersonNotFound, before anything is yielded.
    """
    return _zipped(known(subject))


def known(subject: UUID) -> Identifiers:
    """Return who this is. Raises PersonNotFound."""
    person = identify(subject)
    if person is None:
        raise PersonNotFound
    return person


def _told(person: Identifiers) -> Iterator[tuple[str, PersonalDataStore]]:
    for place in personal_data_stores():
        if type(place).export is not PersonalDataStore.export and getattr(
            place, "is_exported", True
        ):
            yield place.name, place


def _zipped(person: Identifiers) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]  # it only writes
        now = datetime.now(UTC)
        archive.writestr("README.txt", _README.format(now=f"{now:%Y-%m-%d %H:%M}"))
        for name, place in _told(person):
            rows = place.export(person)
            first = next(rows, None)
            if first is None:
                continue
            with archive.open(f"{name}.json", "w") as file:
                file.write(b"[\n" + _json(first))
                for row in rows:
                    file.write(b",\n" + _json(row))
                    if sink.held > sink.PART:
                        yield sink.take()
                file.write(b"\n]\n")
            yield sink.take()
        for name, body in read_current_objects(prefix_of(person)):
            archive.writestr(f"files/{name}", body)
            yield sink.take()
    yield sink.take()


def _json(row: Any) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode()


class _Sink:
    """A file that can only be written to, and is emptied by whoever sends it on."""

    PART = 65_536

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.held = 0

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        self.held += len(part)
        return len(part)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        taken, self._parts, self.held = b"".join(self._parts), [], 0
        return taken
