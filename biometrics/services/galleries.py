"""
Galleries: the templates of a province and group of stores, in the memory of this process.

Each template is decrypted once. PostgreSQL announces changes (`config.cache.invalidation`): deleted
templates are overwritten in the thread that listens, and a second thread compares the galleries
with the database, after each change and when a template expires. The next request decrypts what is
new. Everything is dropped when changes are not received any more; until they are, each request
decrypts for itself. Whoever finds a match must still look its template up in the database.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from time import monotonic, sleep, time
from uuid import UUID

import numpy as np
import structlog
from django.db import connections
from django.db.models import QuerySet

from biometrics.faces import MODEL
from biometrics.matching import Gallery, GalleryScope
from biometrics.models import CustomerBiometric
from biometrics.rotation import DIMENSION
from biometrics.selectors.templates import CHANGE_NOTICE, matchable
from biometrics.services.templates import open_templates
from config.cache.invalidation import is_listening, on_change
from config.cache.shared_changes import ChangedRows

log = structlog.get_logger(__name__)
# A process that has just started needs a moment until it receives changes.
_LISTENING_WAIT_SECONDS = 0.5
_MAX_SLEEP_SECONDS = 3600.0
# Above this number of new templates, all are loaded.
_MAX_LISTED_IDS = 5_000
# Templates that no one is compared with do not stay decrypted.
_MAX_IDLE_SECONDS = 3600.0


@dataclass(slots=True)
class _Loaded:
    """
    A gallery in memory.

    change_count: changes that were announced before it was compared with the database. refused:
    templates that could not be decrypted, each of which is in the audit log once.
    """

    gallery: Gallery
    change_count: int
    refused: set[bytes] = field(default_factory=set)
    used_at: float = field(default_factory=monotonic)


class _Galleries:
    """The galleries of this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.loaded: dict[GalleryScope, _Loaded] = {}
        self.change_count = 0
        # Counts how often everything was dropped: what was begun before must not be retained.
        self.drop_count = 0
        self.is_due = threading.Event()
        self.sweeper: threading.Thread | None = None


_galleries = _Galleries()


def gallery_of(scope: GalleryScope, *, by: str) -> Gallery:
    """
    Return the templates that probes of a scope are compared with.

    Without a change since the last call: no query and no decryption. by: actor of the audit log.
    Raises TemplateKeysUnavailable.
    """
    if not _is_listening():
        return _refresh(scope, _Loaded(_empty_gallery(), 0), by=by).gallery
    current = _galleries
    loaded = current.loaded.get(scope)
    if loaded is None or loaded.change_count != current.change_count:
        with current.lock:
            loaded = _load(current, scope, by=by)
    loaded.used_at = monotonic()
    return loaded.gallery


def drop_galleries() -> None:
    """Overwrite and forget every template in the memory of this process."""
    current = _galleries
    current.drop_count += 1
    current.change_count += 1
    while current.loaded:
        _, loaded = current.loaded.popitem()
        loaded.gallery.clear()


def _is_listening() -> bool:
    deadline = monotonic() + _LISTENING_WAIT_SECONDS
    while not is_listening():
        if monotonic() > deadline:
            return False
        sleep(0.01)
    return True


def _load(current: _Galleries, scope: GalleryScope, *, by: str) -> _Loaded:
    """Return the up-to-date gallery of a scope; the caller has the lock."""
    loaded = current.loaded.get(scope)
    if loaded is not None and loaded.change_count == current.change_count:
        return loaded
    drop_count = current.drop_count
    # Counted before the query: a change during it outdates the result.
    start = _Loaded(
        loaded.gallery if loaded else _empty_gallery(),
        current.change_count,
        loaded.refused if loaded else set(),
    )
    refreshed = _refresh(scope, start, by=by)
    current.loaded[scope] = refreshed
    if current.drop_count != drop_count:
        # Changes were missed meanwhile. This request alone may use the result.
        current.loaded.pop(scope, None)
    elif current.change_count != refreshed.change_count:
        current.is_due.set()
    _ensure_sweeper(current)
    return refreshed


def _refresh(scope: GalleryScope, loaded: _Loaded, *, by: str) -> _Loaded:
    """Return a gallery as the database has it now: without what is gone, with what is new."""
    rows = matchable_rows(scope)
    gallery = loaded.gallery
    refused = loaded.refused
    if len(gallery) or refused:
        ids = _ids_of(rows)
        gallery.remove(gallery.template_ids() - ids)
        refused &= ids
        new_ids = ids - refused - gallery.template_ids()
        if not new_ids:
            return _Loaded(gallery, loaded.change_count, refused)
        if len(new_ids) <= _MAX_LISTED_IDS:
            rows = rows.filter(pk__in=[UUID(bytes=template_id) for template_id in new_ids])
        else:
            gallery, refused = _empty_gallery(), set()
    opened = open_templates(rows, by=by)
    return _Loaded(
        gallery.with_added(opened.rows, opened.vectors),
        loaded.change_count,
        refused | {template_id.bytes for template_id in opened.refused},
    )


def _ids_of(rows: QuerySet[CustomerBiometric]) -> set[bytes]:
    return {template_id.bytes for template_id in rows.values_list("pk", flat=True)}


def matchable_rows(scope: GalleryScope) -> QuerySet[CustomerBiometric]:
    """Return the templates of a scope that probes may be compared with at this moment."""
    # Embeddings of different models are not comparable.
    rows = matchable(province=scope.province, store_group=scope.store_group)
    return rows.filter(model=MODEL).order_by()


def _empty_gallery() -> Gallery:
    return Gallery([], np.empty((0, DIMENSION), np.float32))


def _apply_changes(changed: ChangedRows) -> None:
    """Called in the thread that listens; it must be quick."""
    if changed is None:
        drop_galleries()
        return
    if CHANGE_NOTICE not in changed:
        return
    current = _galleries
    current.change_count += 1
    template_ids = set(_binary_ids(changed))
    for loaded in list(current.loaded.values()):
        loaded.gallery.remove(template_ids)
        # A refused template may have been replaced.
        loaded.refused -= template_ids
    current.is_due.set()


def _binary_ids(row_ids: Iterable[str]) -> Iterable[bytes]:
    for row_id in row_ids:
        try:
            yield UUID(row_id).bytes
        except ValueError:
            continue


def _ensure_sweeper(current: _Galleries) -> None:
    if current.sweeper is None or not current.sweeper.is_alive():
        current.sweeper = threading.Thread(
            target=_sweep_forever, args=(current,), name="gallery-sweeper", daemon=True
        )
        current.sweeper.start()


def _sweep_forever(current: _Galleries) -> None:
    """Remove templates that may not be matched any more, also where no request comes."""
    while current.loaded:
        current.is_due.wait(_seconds_to_next_expiry(current))
        current.is_due.clear()
        try:
            _sweep(current)
        except Exception as error:  # templates that cannot be checked do not stay
            log.warning("galleries.sweep_failed", error_type=type(error).__name__)
            drop_galleries()
        finally:
            connections.close_all()


def _sweep(current: _Galleries) -> None:
    for scope, loaded in list(current.loaded.items()):
        if monotonic() - loaded.used_at > _MAX_IDLE_SECONDS:
            current.loaded.pop(scope, None)
            loaded.gallery.clear()
            continue
        ids = _ids_of(matchable_rows(scope))
        loaded.gallery.remove(loaded.gallery.template_ids() - ids)


def _seconds_to_next_expiry(current: _Galleries) -> float:
    expiries = [loaded.gallery.first_expiry() for loaded in list(current.loaded.values())]
    seconds = min((expiry - time() for expiry in expiries if expiry), default=_MAX_SLEEP_SECONDS)
    return min(max(seconds, 0.0) + 0.01, _MAX_SLEEP_SECONDS)


def _reset_after_fork() -> None:
    # Threads stay in the parent. The child must not keep the parent's templates.
    global _galleries  # noqa: PLW0603  # state of the parent
    for loaded in _galleries.loaded.values():
        loaded.gallery.clear()
    _galleries = _Galleries()


on_change(_apply_changes)
os.register_at_fork(after_in_child=_reset_after_fork)
