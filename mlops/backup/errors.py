"""Errors of backups and restorations."""

from collections.abc import Iterable

from config.errors import CultivarError


class BackupFailed(CultivarError):
    """A backup cannot be made or restored; the message is one line."""

    code = "backup_failed"


class ToolMissing(BackupFailed):
    """PostgreSQL's client programs are not installed, or older than the server."""

    code = "backup_tool_missing"

    def __init__(self, name: str, major: int) -> None:
        super().__init__(
            f"{name} of PostgreSQL {major} or newer is not installed (package postgresql-client)."
        )


class ToolFailed(BackupFailed):
    """A client program of PostgreSQL ended with an error."""

    code = "backup_tool_failed"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} failed: {reason}")


class BackupMissing(BackupFailed):
    """The folder is not a finished backup."""

    code = "backup_missing"


class BackupDamaged(BackupFailed):
    """A part is absent, cut short or changed since it was written."""

    code = "backup_damaged"


class BackupUnsupported(BackupFailed):
    """The backup has a format or a schema that this release does not know."""

    code = "backup_unsupported"


class BackupKeyMissing(BackupFailed):
    """The key ring lacks the key that signed the backup."""

    code = "backup_key_missing"

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"KEY_RING: lacks the key {key_id} that signed the backup; recover the key file first."
        )


class KeyFileRefused(BackupFailed):
    """A key file cannot be written or read."""

    code = "key_file_refused"


class TargetNotEmpty(BackupFailed):
    """The stack to restore into has tables or objects."""

    code = "target_not_empty"

    def __init__(self, *, tables: int, objects: int) -> None:
        super().__init__(
            f"The target is not empty: {tables} tables and {objects} objects."
            " --replace deletes and replaces them."
        )


class TargetInUse(BackupFailed):
    """Other processes are connected to the database that is to be replaced."""

    code = "target_in_use"

    def __init__(self, connections: int) -> None:
        super().__init__(
            f"{connections} other connections use the database; stop web, workers, schedule and"
            " consumers first."
        )


class RestorationDiffers(BackupFailed):
    """The restored tables or objects are not those of the backup."""

    code = "restoration_differs"

    def __init__(self, kind: str, names: Iterable[str]) -> None:
        listed = sorted(names)
        shown = ", ".join(listed[:5])
        super().__init__(f"{len(listed)} {kind} differ from the backup: {shown}.")
