"""
Health of a process, for container runtimes: `python -m config.process_health PROCESS`.

web: answers at its port. worker: answers the broadcast of its broker, which one that lost its
subscription does not. schedule: Celery beat has sent a task in the last ten minutes. consumer: a
consumer has written metrics in the last five minutes. Exit code 0: healthy; 1: not.
"""

import argparse
import os
import socket
import sys
import urllib.request

import psycopg

WEB_ADDRESS = "http://127.0.0.1:8000/health/live"
TIMEOUT_SECONDS = 8
# Beat saves the times of its rows every three minutes.
_SCHEDULE_SQL = """
SELECT max(last_run_at) > now() - interval '10 minutes' FROM django_celery_beat_periodictask
"""
_CONSUMER_SQL = """
SELECT max(measured_at) > now() - interval '5 minutes' FROM system_metrics
WHERE name = 'stream.lag' AND measured_at > now() - interval '1 day'
"""


def is_web_healthy(address: str = WEB_ADDRESS) -> bool:
    """Return whether the web process of this container answers."""
    # Requests by the address of the loopback would be refused: it is no host name that is served.
    host = os.environ.get("ALLOWED_HOSTS", "localhost").split(",")[0].strip()
    request = urllib.request.Request(address, headers={"Host": host})  # noqa: S310  # loopback
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310  # ours
        return bool(response.status == 200)


def is_worker_healthy() -> bool:
    """Return whether the worker of this container answers a broadcast."""
    from config.beat import app

    name = f"celery@{socket.gethostname()}"
    return bool(app.control.ping(destination=[name], timeout=TIMEOUT_SECONDS))


def is_schedule_healthy() -> bool:
    """Return whether Celery beat has sent a task recently."""
    return _is_true(_SCHEDULE_SQL)


def is_consumer_healthy() -> bool:
    """Return whether a consumer has written metrics recently."""
    return _is_true(_CONSUMER_SQL)


CHECKS = {
    "web": is_web_healthy,
    "worker": is_worker_healthy,
    "schedule": is_schedule_healthy,
    "consumer": is_consumer_healthy,
}


def main(arguments: list[str] | None = None) -> int:
    """Check the named process; print the reason when it is not healthy."""
    parser = argparse.ArgumentParser(prog="process_health", description=__doc__)
    parser.add_argument("process", choices=CHECKS)
    process = parser.parse_args(arguments).process
    try:
        is_healthy = CHECKS[process]()
    except Exception as error:  # whatever fails, the process is not known to be healthy
        sys.stderr.write(f"{process}: {type(error).__name__}\n")
        return 1
    if not is_healthy:
        sys.stderr.write(f"{process}: does not respond\n")
    return 0 if is_healthy else 1


def _is_true(query: str) -> bool:
    with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=TIMEOUT_SECONDS) as connection:
        [(value,)] = connection.execute(query).fetchall()
    return bool(value)


if __name__ == "__main__":
    raise SystemExit(main())
