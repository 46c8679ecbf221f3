"""Recovery steps: what is rebuilt from a restored database; registered in `recovery.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from config.declarations import DeclarationRegistry


@dataclass(frozen=True, slots=True)
class RecoveryStep:
    """
    A projection that is rebuilt from the restored rows.

    run: is given a function that it calls with the number of parts done, and of all. Safe to
    repeat. Raises CultivarError; then the other steps still run.
    """

    name: str
    run: Callable[[Callable[[int, int], None]], None]


_registry: DeclarationRegistry[str, RecoveryStep] = DeclarationRegistry(
    "recovery", name_of=attrgetter("name")
)
register = _registry.register


def recovery_steps() -> list[RecoveryStep]:
    """Return the steps of all applications."""
    return _registry.all()
