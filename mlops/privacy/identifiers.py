"""Who a person is in any text: by our id, by the numbers others know them by, by what only they left behind."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

_LEAST_LENGTH = 6
_AT_ONCE = 100


@dataclass(frozen=True)
class Subject:
    """
    A person: their id with us, the numbers that others know them by, and what only they left behind (orders, sessions).

    A number of fewer than six characters is looked for as the value of a field named after customers alone: elsewhere it
    would be anybody's.
    """

    id: UUID
    numbers: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()

    @cached_property
    def patterns(self) -> tuple[str, ...]:
        """Return regular expressions, as PostgreSQL and Python read them alike, that find the person in any text."""
        return _patterns(self.id, (*self.numbers, *self.traces))

    @cached_property
    def own_patterns(self) -> tuple[str, ...]:
        """Return those of the id and the numbers alone."""
        return _patterns(self.id, self.numbers)

    def is_in(self, text: str) -> bool:
        """Tell whether the text names the person."""
        return any(pattern.search(text) for pattern in self._compiled)

    @cached_property
    def _compiled(self) -> list[re.Pattern[str]]:
        return [re.compile(pattern, re.IGNORECASE) for pattern in self.patterns]


def _patterns(pk: UUID, told: Iterable[str]) -> tuple[str, ...]:
    numbers = sorted({*told} - {""})
    forms = {
        form
        for number in numbers
        for form in (number, json.dumps(number)[1:-1])
        if len(number) >= _LEAST_LENGTH
    }
    long = [str(pk), *sorted(map(re.escape, forms))]
    found = [
        rf"(?<![A-Za-z0-9])(?<![A-Za-z0-9][-_])({'|'.join(long[start : start + _AT_ONCE])})(?![A-Za-z0-9]|[-_][A-Za-z0-9])"
        for start in range(0, len(long), _AT_ONCE)
    ]
    short = [
        re.escape(json.dumps(number)[1:-1]) for number in numbers if len(number) < _LEAST_LENGTH
    ]
    if short:
        found.append(rf'customer[a-z_]*\\?":\s*\\?"({"|".join(short)})\\?"')
    return tuple(found)
