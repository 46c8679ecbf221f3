"""Uploaded files of forms with errors, kept for an hour so that they need not be chosen again."""

from collections.abc import MutableMapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.utils import timezone

MAX_BYTES = 50 * 2**20
LIFETIME = timedelta(hours=1)
_DIRECTORY = "pending_uploads"
_SESSION_KEY = "pending_uploads"
Session = MutableMapping[str, Any]
"""Session of a user; only it names the file."""


def keep_upload(*, session: Session, form: str, file: UploadedFile) -> bool:
    """
    Keep a file of a form in place of an earlier one; return False for one above MAX_BYTES.

    form: name of the form, and the row that it edits.
    """
    if (file.size or 0) > MAX_BYTES:
        discard_upload(session=session, form=form)
        return False
    expires_at = int((timezone.now() + LIFETIME).timestamp())
    file.seek(0)
    # The name of the stored file says when it expires; see `delete_expired_uploads`.
    key = default_storage.save(f"{_DIRECTORY}/{expires_at}-{uuid4()}", file)
    # After the new file is saved, which may be the earlier one itself.
    discard_upload(session=session, form=form)
    upload = {"key": key, "name": file.name, "expires_at": expires_at}
    session[_SESSION_KEY] = {**session.get(_SESSION_KEY, {}), form: upload}
    return True


def kept_upload(*, session: Session, form: str) -> UploadedFile | None:
    """Return the file that a form has kept; None: none, or it has expired."""
    upload = session.get(_SESSION_KEY, {}).get(form)
    if not upload or upload["expires_at"] < timezone.now().timestamp():
        return None
    try:
        file = default_storage.open(upload["key"])
    except OSError:
        return None
    return UploadedFile(file, name=upload["name"], size=file.size)


def discard_upload(*, session: Session, form: str) -> None:
    """Delete the file that a form has kept, if any."""
    uploads = dict(session.get(_SESSION_KEY, {}))
    if upload := uploads.pop(form, None):
        default_storage.delete(upload["key"])
        session[_SESSION_KEY] = uploads


def delete_expired_uploads(now: datetime) -> int:
    """Delete kept files that have expired, of all sessions; return their number."""
    try:
        _directories, names = default_storage.listdir(_DIRECTORY)
    except FileNotFoundError:
        return 0
    expired = [name for name in names if int(name.partition("-")[0]) < now.timestamp()]
    for name in expired:
        default_storage.delete(f"{_DIRECTORY}/{name}")
    return len(expired)
