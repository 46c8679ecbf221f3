"""A whole installation on this machine: servers, Kafka, S3 and every process of ours."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import requests
from rich.console import Console

from config.embedded.demo import Demo
from config.embedded.ports import LOOPBACK, free_port
from config.embedded.preparation import Preparation
from config.embedded.server import START_TIMEOUT_SECONDS
from config.embedded.stack import ROOT, Stack
from config.embedded.supervisor import Program, Supervisor, app_program, server_program
from config.embedded.test import throwaway_environment
from tests.servers.kafka import API_VERSION, Kafka
from tests.servers.s3 import Seaweed

WORKERS = {
    "worker": "default,ingest,embed,maintenance",
    "crawler": "crawl",
    "trainer": "training",
}
"""Celery workers with their queues."""
SUPERVISED = ("postgres", "valkey", "milvus", "web", "consumer", *WORKERS, "beat")
PARTS = (*SUPERVISED, "kafka", "objects")
"""Parts that can be killed."""


class Installation:
    """
    Servers with durable data, and the processes of production, restarted by Supervisor.

    The catalogue is that of the sample supplier. As a context manager it stops and deletes all.
    """

    def __init__(self, directory: Path, kafka_home: Path, console: Console) -> None:
        self._directory = directory
        self._kafka = Kafka(kafka_home, _made(directory / "kafka"))
        self._objects = Seaweed(_made(directory / "objects"))
        self._stack = Stack(directory / "state", settings={})
        self._port = free_port()
        self.address = f"http://{LOOPBACK}:{self._port}"
        self.bootstrap = self._kafka.bootstrap
        self._console = console
        self._supervisor: Supervisor | None = None
        self._demo: Demo | None = None

    def start(self) -> None:
        """Start everything, import the sample catalogue and index it."""
        self._kafka.start()
        self._objects.start()
        self._stack.logs.mkdir(parents=True, exist_ok=True)
        servers = [
            server_program(
                server.name, server.command(), server.stop_signal.name.removeprefix("SIG")
            )
            for server in self._stack.prepare()
        ]
        os.environ.update(self._environment())
        preparation = Preparation(
            console=self._console, directory=ROOT, log=self._stack.logs / "prepare.log"
        )
        self._demo = Demo(state=self._stack.state, address=self.address, preparation=preparation)
        supplier, _visitors = self._demo.programs()
        self._supervisor = Supervisor(
            state=self._stack.state,
            directory=ROOT,
            programs=[*servers, *self._programs(), supplier],
            environment=dict(os.environ),
        )
        self._supervisor.start()
        for server in self._stack.servers.values():
            wait_for(server.is_healthy, START_TIMEOUT_SECONDS)
            server.complete_setup()
        preparation.start(dict(os.environ))
        preparation.start_beside("fetch_models")
        preparation.run_command("migrate", "--no-input", "--verbosity", "0")
        preparation.run_command("register_models")
        self._supervisor.run("web")
        self._supervisor.run("supplier")
        wait_for(self.is_web_live, START_TIMEOUT_SECONDS)
        self._demo.prepare()
        preparation.stop()
        for name in ("consumer", *WORKERS, "beat"):
            self._supervisor.run(name)

    @property
    def keys(self) -> tuple[str, str]:
        """API keys: of a shop that reads, and one that sends events."""
        assert self._demo
        return self._demo.key, (self._stack.state / "visitors-key").read_text()

    @property
    def logs(self) -> Path:
        """Directory of the logs."""
        return self._stack.logs

    def is_web_live(self) -> bool:
        """Return whether the web process answers."""
        with suppress(requests.RequestException):
            return bool(requests.get(f"{self.address}/health/live", timeout=2).ok)
        return False

    def kill(self, part: str) -> None:
        """
        Kill a part with SIGKILL, with all its processes, and start it again.

        Supervisor starts its programs again itself; the others are started here.
        """
        if part == "kafka":
            self._kafka.kill_broker()
            self._kafka.start_broker()
        elif part == "objects":
            self._objects.kill()
            self._objects.start()
        else:
            process_id = self._process_id(part)
            assert process_id, f"{part} does not run"
            process = psutil.Process(process_id)
            victims = [process, *process.children(recursive=True)]
            for victim in victims:
                with suppress(psutil.NoSuchProcess):
                    victim.kill()
            psutil.wait_procs(victims[1:], timeout=30)
            wait_for(lambda: self._process_id(part) not in (0, process_id), 60)

    def stop(self) -> None:
        """Stop our processes and all servers, and delete their data. Safe to repeat."""
        if self._supervisor:
            self._supervisor.stop()
        self._kafka.stop()
        self._objects.kill()
        self._stack.stop()
        self._stack.remove()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _process_id(self, part: str) -> int:
        assert self._supervisor
        return self._supervisor.process_ids().get(part, 0)

    def _environment(self) -> dict[str, str]:
        objects = self._objects.address
        return throwaway_environment(self._stack) | {
            "DJANGO_SETTINGS_MODULE": "config.settings.dev",
            "LOG_LEVEL": "WARNING",
            "KAFKA_BOOTSTRAP_SERVERS": self._kafka.bootstrap,
            "KAFKA_API_VERSION": API_VERSION,
            "KAFKA_SESSION_TIMEOUT_SECONDS": "6",
            "AWS_STORAGE_BUCKET_NAME": objects.bucket,
            "AWS_S3_ENDPOINT_URL": objects.url,
            "AWS_S3_REGION_NAME": "us-east-1",
            "AWS_ACCESS_KEY_ID": objects.key,
            "AWS_SECRET_ACCESS_KEY": objects.secret,
        }

    def _programs(self) -> list[Program]:
        python = [sys.executable, "-m"]
        celery = [*python, "celery", "-A"]
        web = f"gunicorn config.wsgi --bind {LOOPBACK}:{self._port} --workers 2 --threads 8"
        options = "--concurrency 1 --without-gossip --without-mingle --loglevel WARNING"
        return [
            app_program("web", [*python, *web.split(), "--no-control-socket"]),
            app_program("consumer", [sys.executable, "manage.py", "consume_events"]),
            *(
                app_program(
                    name,
                    [*celery, *f"config worker -n {name}@%h -Q {queues} {options}".split()],
                )
                for name, queues in WORKERS.items()
            ),
            app_program("beat", [*celery, "config.beat", "beat", "--pidfile", ""]),
        ]


def wait_for(condition: Callable[[], object], seconds: float) -> float:
    """Wait until a condition holds; return the seconds it took. Raises TimeoutError."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise TimeoutError(f"not within {seconds:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - start


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True)
    return directory


def known_parts(names: Sequence[str]) -> list[str]:
    """Return parts by name, all of them by default. Raises ValueError."""
    unknown = set(names) - set(PARTS)
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    return list(names) or list(PARTS)
