"""Identifiers of a person, and how to find them in any text."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from config.declarations import DeclarationRegistry

_MIN_LENGTH_IN_TEXT = 6
_ALTERNATIVES_PER_PATTERN = 100
_REFERENCE_FIELDS = DeclarationRegistry[str, str]("privacy", name_of=str)
register_reference_fields = _REFERENCE_FIELDS.register
"""Register JSON fields, as regular expressions, whose values are identifiers of persons."""


@dataclass(frozen=True)
class Identifiers:
    """
    Identifiers of a person.

    id: our id. external_ids: the ids that others know the person by, such as loyalty numbers.
    traces: ids that belong to this person only, such as order and session ids.

    Case is significant, as it is in external ids: another person may have the same letters in
    another case. An external id or trace of fewer than six characters is only found as the value of
    a JSON field named `external_id` or as registered: in other places it could belong to anyone.
    """

    id: UUID
    external_ids: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()

    @cached_property
    def patterns(self) -> tuple[str, ...]:
        """Regular expressions, for PostgreSQL and Python alike, that match any identifier."""
        return _patterns(self.id, (*self.external_ids, *self.traces))

    @cached_property
    def direct_patterns(self) -> tuple[str, ...]:
        """The same for the id and the external ids, without traces."""
        return _patterns(self.id, self.external_ids)

    def match(self, text: str) -> bool:
        """Return whether the text contains an identifier."""
        return any(pattern.search(text) for pattern in self._compiled_patterns)

    @cached_property
    def _compiled_patterns(self) -> list[re.Pattern[str]]:
        return [re.compile(pattern) for pattern in self.patterns]


def _patterns(person_id: UUID, identifiers: Iterable[str]) -> tuple[str, ...]:
    distinct = sorted({*identifiers} - {""})
    forms = {
        form
        for identifier in distinct
        for form in (identifier, _json_escaped(identifier))
        if len(identifier) >= _MIN_LENGTH_IN_TEXT
    }
    own_ids = [str(person_id), str(person_id).upper()]
    alternatives = [*own_ids, *sorted(map(re.escape, forms))]
    patterns = []
    for start in range(0, len(alternatives), _ALTERNATIVES_PER_PATTERN):
        group = "|".join(alternatives[start : start + _ALTERNATIVES_PER_PATTERN])
        # Not within a longer word or hyphenated identifier.
        patterns.append(
            rf"(?<![A-Za-z0-9])(?<![A-Za-z0-9][-_])({group})(?![A-Za-z0-9]|[-_][A-Za-z0-9])"
        )
    short = [
        re.escape(_json_escaped(identifier))
        for identifier in distinct
        if len(identifier) < _MIN_LENGTH_IN_TEXT
    ]
    if short:
        field = f"(?:{'|'.join(('external_id', *_REFERENCE_FIELDS.all()))})"
        patterns.append(rf'{field}\\?":\s*\\?"({"|".join(short)})\\?"')
    return tuple(patterns)


def _json_escaped(text: str) -> str:
    return json.dumps(text)[1:-1]
