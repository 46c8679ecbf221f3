"""Runs Cultivar on this machine: servers, web, worker, clock and a sample supplier. Ctrl-C ends all of it."""

import argparse
import os
import secrets
import sys
import time
from pathlib import Path
from typing import NoReturn

import psycopg
import requests
from rich.console import Console
from rich.prompt import Confirm

from config.embedded.demo import VISITORS, Demo
from config.embedded.orphans import ending_descendants, ignore_signals
from config.embedded.ports import LOOPBACK, free_port, is_taken
from config.embedded.preparation import StepFailed, Steps
from config.embedded.server import START_SECONDS, Server, ServerFailed
from config.embedded.stack import ROOT, Stack, given_settings
from config.embedded.state import Refused, StateDirectory
from config.embedded.supervisor import Program, Supervisor, app_program, server_program

FAILED, REFUSED, INTERRUPTED = 1, 2, 130
STAFF = "staff"
QUEUES = "default,ingest,embed"


class Development:
    """One run of bin/dev."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self._options = options
        self._console = console
        self._settings = given_settings()
        self._state = StateDirectory(Path(self._settings.get("STATE_DIR", ROOT / "var")))
        self._stack = Stack(self._state.path, settings=self._settings)
        self._address = f"http://{LOOPBACK}:{options.port}"
        self._steps = Steps(console=console, directory=ROOT, log=self._stack.logs / "prepare.log")
        self._demo = Demo(state=self._state.path, address=self._address, steps=self._steps)
        self._supervisor: Supervisor | None = None
        self.is_up = False

    def run(self) -> NoReturn:
        """Prepare, say where everything is, then keep watch; ends only by an exception."""
        started = time.monotonic()
        self._state.claim()
        if is_taken(self._options.port):
            raise Refused(
                f"Port {self._options.port} is taken. Stop what uses it, or take another: bin/dev --port {free_port()}"
            )
        if self._options.reset:
            self._reset()
        self._stack.logs.mkdir(parents=True, exist_ok=True)
        supervisor = self._start_servers()
        environment = self._steps.environment
        models = self._steps.begin("fetch_models")
        with self._steps.showing(
            "Servers: " + (", ".join(self._stack.servers) or "all from outside")
        ):
            for server in self._stack.servers.values():
                self._wait_for(server)
        with self._steps.showing("Database tables"):
            # Unchecked: months that passed while nothing ran have no partitions yet; migrating makes them.
            self._steps.manage("migrate", "--no-input", "--verbosity", "0", "--skip-checks")
        with self._steps.showing("Model files"):
            models.finish()
        password = self._make_staff(environment["DATABASE_URL"])
        with self._steps.showing("Web, worker, clock"):
            for name in ("web", "worker", "beat", *(["supplier"] if self._options.demo else [])):
                supervisor.run(name)
            self._wait_for_web(supervisor)
        product = self._demo.prepare() if self._options.demo else self._demo.leave()
        if self._options.demo:
            supervisor.run(VISITORS)
        self.is_up = True
        self._announce(password, product, time.monotonic() - started)
        self._watch(supervisor)

    def stop(self) -> None:
        """End what runs, in order: first our own processes, then the servers."""
        if self._supervisor:
            self._supervisor.stop()

    def _reset(self) -> None:
        if not self._options.yes and not (
            sys.stdin.isatty()
            and Confirm.ask(f"Delete every row and file under {self._state.path}?", default=False)
        ):
            raise Refused("Nothing was deleted. `bin/dev --reset --yes` deletes without asking.")
        self._stack.remove()
        self._state.empty()

    def _start_servers(self) -> Supervisor:
        to_run = self._stack.prepare()
        programs = [
            server_program(s.name, s.command(), s.stop_signal.name.removeprefix("SIG"))
            for s in to_run
        ]
        programs += self._own_programs()
        self._steps.environment = {
            **os.environ,
            **self._stack.environment,
            "DJANGO_SETTINGS_MODULE": "config.settings.dev",
            "LOG_FORMAT": self._settings.get("LOG_FORMAT", "console"),
            "PYTHONUNBUFFERED": "1",
        }
        self._supervisor = Supervisor(
            state=self._state.path,
            directory=ROOT,
            programs=programs,
            environment=self._steps.environment,
        )
        self._supervisor.start()
        return self._supervisor

    def _own_programs(self) -> list[Program]:
        python = [sys.executable, "-m"]
        celery = [*python, "celery", "-A", "config"]
        web = f"gunicorn config.wsgi --bind {LOOPBACK}:{self._options.port} --threads 8"
        web += " --no-control-socket --graceful-timeout 5"
        worker = (
            f"worker -Q {QUEUES} --concurrency 2 --without-gossip --without-mingle --loglevel INFO"
        )
        beat = [
            "beat",
            "--scheduler",
            "django_celery_beat.schedulers:DatabaseScheduler",
            "--pidfile",
            "",
        ]
        return [
            app_program("web", [*python, *web.split()]),
            app_program("worker", [*celery, *worker.split()], stop_seconds=15),
            app_program("beat", [*celery, *beat]),
            *(self._demo.programs() if self._options.demo else []),
        ]

    def _wait_for(self, server: Server) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not server.is_healthy():
            is_lost = self._supervisor and self._supervisor.has_given_up(server.name)
            if is_lost or time.monotonic() > deadline:
                raise ServerFailed(f"{server.name} did not start; see {server.log_path}.")
            time.sleep(0.1)
        server.settle()

    def _wait_for_web(self, supervisor: Supervisor) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and not supervisor.has_given_up("web"):
            try:
                if requests.get(f"{self._address}/health/live", timeout=5).ok:
                    return
            except requests.RequestException:  # not there yet, or still importing
                time.sleep(0.1)
        raise StepFailed(f"The web process did not start; see {self._stack.logs / 'web.log'}.")

    def _make_staff(self, database: str) -> str:
        """Make the staff user unless there is one; returns its password, or nothing."""
        with psycopg.connect(database, connect_timeout=5) as connection:
            if connection.execute(
                "SELECT 1 FROM auth_user WHERE username = %s", [STAFF]
            ).fetchone():
                return ""
        password = secrets.token_urlsafe(12)
        with self._steps.showing("Staff user"):
            arguments = ("--no-input", "--username", STAFF, "--email", "staff@localhost")
            self._steps.manage(
                "createsuperuser", *arguments, more={"DJANGO_SUPERUSER_PASSWORD": password}
            )
        return password

    def _announce(self, password: str, product: str, seconds: float) -> None:
        say = self._console.print
        said = (
            f"password [bold]{password}[/bold] (shown only now)"
            if password
            else (f"password as before; a new one: bin/manage changepassword {STAFF}")
        )
        say(f"\n[bold green]Cultivar runs[/bold green] [dim](after {seconds:.0f} s)[/dim]")
        say(f"Console   {self._address}/console/ — user {STAFF}, {said}", soft_wrap=True)
        say(f"API       {self._address}/api/docs/")
        if product:
            say(f"API key   {self._demo.key}")
            say("Try:")
            for line in self._demo.examples(product):
                print(f"  {line}", flush=True)  # whole and plain, to be copied
        say(f"Logs      {self._stack.logs}")
        say("Ctrl-C ends everything started here; the data stays.")

    def _watch(self, supervisor: Supervisor) -> NoReturn:
        known = supervisor.process_ids()
        while supervisor.is_running():
            time.sleep(1)
            supervisor.bury_orphans()
            try:
                now = supervisor.process_ids()
            except OSError:
                continue  # it is about to end
            for name, process_id in now.items():
                if process_id and process_id != known[name]:
                    self._console.print(
                        f"[yellow]{name} ended and was started again[/yellow]; see its log."
                    )
                    known[name] = process_id
        raise StepFailed(f"Supervisor ended; see {self._stack.logs / 'supervisord.log'}.")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bin/dev", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="of the web process (default: 8000)")
    parser.add_argument(
        "--no-demo", dest="demo", action="store_false", help="no sample supplier, key or first sync"
    )
    parser.add_argument("--reset", action="store_true", help="delete all rows and files first")
    parser.add_argument("--yes", action="store_true", help="do not ask before --reset deletes")
    options = parser.parse_args(arguments)
    if not 0 < options.port < 65536:
        parser.error("--port must be between 1 and 65535")
    return options


def main() -> int:
    """Run until told to stop; the exit code is 0 after a stop, 1 after a failure, 2 when it could not begin."""
    options = parse()
    console = Console(highlight=False)
    with ending_descendants():
        development = Development(options, console)
        try:
            development.run()
        except KeyboardInterrupt:
            return 0 if development.is_up else INTERRUPTED
        except Refused as error:
            console.print(f"[red]{error}[/red]", soft_wrap=True)
            return REFUSED
        except (
            StepFailed,
            ServerFailed,
            OSError,
            requests.RequestException,
            psycopg.Error,
        ) as error:
            console.print(f"[red]{' '.join(str(error).split())}[/red]", soft_wrap=True)
            return FAILED
        finally:
            ignore_signals()
            development.stop()


if __name__ == "__main__":
    raise SystemExit(main())
