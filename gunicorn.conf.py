"""
Gunicorn: import the application, check biometrics and load the encoders before the workers fork.

Workers then share that memory: two of them with both encoders use 437 MB instead of 718 MB.
"""

import gc
from typing import Any

import gunicorn.http.wsgi

preload_app = True
# The header Server of each response: it names the service, not the software.
gunicorn.http.wsgi.SERVER = "cultivar"


def _refuse_incomplete_biometrics(server: Any) -> None:
    from django.core.checks import run_checks
    from django.db import DatabaseError, connections

    try:
        errors = run_checks(tags=["biometrics"], databases=["default"])
    except DatabaseError as error:  # each use of biometrics is checked as well
        server.log.warning("Biometrics was not checked: %s", type(error).__name__)
        return
    finally:
        connections.close_all()  # the workers must not share a connection
    for error in errors:
        server.log.critical("%s %s", error.msg, error.hint)
    if errors:
        raise SystemExit(3)


def when_ready(server: Any) -> None:
    """
    Refuse the start where biometrics is enabled without what the law requires.

    Then load the encoders of text searches for all workers; a single one loads them when used.
    """
    _refuse_incomplete_biometrics(server)
    if server.cfg.workers == 1:
        return
    from vectors.encoders import registry
    from vectors.errors import ModelMissing

    for role in ("text", "multilingual"):
        try:
            registry.encoder(role)
        except ModelMissing as error:  # a search without vectors is degraded, not refused
            server.log.warning(str(error))
    # Objects that are not collected are not written to, and their memory stays shared.
    gc.freeze()
