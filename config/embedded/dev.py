"""Run Cultivar on this machine with all its servers and a sample supplier. Ctrl-C stops it."""

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

from config.embedded.demo import MODELS_STEP, VISITORS, Demo
from config.embedded.orphans import ignore_signals, terminate_descendants_on_exit
from config.embedded.ports import LOOPBACK, free_port, is_taken
from config.embedded.preparation import Preparation, StepFailed
from config.embedded.server import START_TIMEOUT_SECONDS, Server, ServerFailed
from config.embedded.stack import ROOT, Stack, configured_settings
from config.embedded.state import StartRefused, StateDirectory
from config.embedded.supervisor import Program, Supervisor, app_program, server_program

EXIT_FAILED = 1
EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130
STAFF = "staff"
QUEUES = "default,ingest,embed,crawl,training,maintenance"


class LocalStart:
    """One run of bin/dev."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self._options = options
        self._console = console
        self._settings = configured_settings()
        self._state = StateDirectory(Path(self._settings.get("STATE_DIR", ROOT / "var")))
        self._stack = Stack(self._state.path, settings=self._settings)
        self._address = f"http://{LOOPBACK}:{options.port}"
        self._preparation = Preparation(
            console=console, directory=ROOT, log=self._stack.logs / "prepare.log"
        )
        self._demo = Demo(
            state=self._state.path, address=self._address, preparation=self._preparation
        )
        self._environment: dict[str, str] = {}
        self._supervisor: Supervisor | None = None
        self.is_up = False

    def run(self) -> NoReturn:
        """Start everything, print the addresses and watch; ends only by an exception."""
        started = time.monotonic()
        self._state.claim()
        if is_taken(self._options.port):
            raise StartRefused(
                f"Port {self._options.port} is taken. Stop the program that uses it, or choose "
                f"another port: bin/dev --port {free_port()}"
            )
        if self._options.reset:
            self._reset()
        self._stack.logs.mkdir(parents=True, exist_ok=True)
        supervisor = self._start_servers()
        self._preparation.start(self._environment)
        self._preparation.start_beside("fetch_models")
        # Imports while the servers start and the tables are created, which it does not need for it.
        supervisor.run("web")
        servers = ", ".join(self._stack.servers) or "all configured in the settings"
        with self._preparation.step(f"Servers: {servers}"):
            for server in self._stack.servers.values():
                self._wait_for(server)
        with self._preparation.step("Database migrations"):
            self._preparation.run_command("migrate", "--no-input", "--verbosity", "0")
            self._preparation.run_command("register_models")
        password = self._create_staff_user(self._environment["DATABASE_URL"])
        with self._preparation.step("Web process"):
            self._wait_for_web(supervisor)
        product_id = ""
        if self._options.demo:
            supervisor.run("supplier")
            product_id = self._demo.prepare()
        else:
            self._demo.disable()
        self._preparation.wait_beside(MODELS_STEP)
        self._preparation.stop()
        names = ["worker", "beat", *([VISITORS] if self._options.demo else [])]
        for name in names:
            supervisor.run(name)
        self.is_up = True
        self._announce(password, product_id, time.monotonic() - started)
        self._watch(supervisor)

    def stop(self) -> None:
        """Stop our own processes, then the servers."""
        self._preparation.stop()
        if self._supervisor:
            self._supervisor.stop()

    def _reset(self) -> None:
        is_confirmed = self._options.yes or (
            sys.stdin.isatty()
            and Confirm.ask(f"Delete all data under {self._state.path}?", default=False)
        )
        if not is_confirmed:
            raise StartRefused(
                "Nothing was deleted. `bin/dev --reset --yes` deletes without asking."
            )
        self._stack.remove()
        self._state.clear()

    def _start_servers(self) -> Supervisor:
        programs = [
            server_program(
                server.name, server.command(), server.stop_signal.name.removeprefix("SIG")
            )
            for server in self._stack.prepare()
        ]
        programs += self._app_programs()
        self._environment = {
            **os.environ,
            **self._stack.environment,
            "DJANGO_SETTINGS_MODULE": "config.settings.dev",
            # The sample supplier and shops run on this computer.
            "ALLOW_LOOPBACK_SOURCES": self._settings.get("ALLOW_LOOPBACK_SOURCES", "true"),
            "LOG_FORMAT": self._settings.get("LOG_FORMAT", "console"),
            "PYTHONUNBUFFERED": "1",
        }
        self._supervisor = Supervisor(
            state=self._state.path,
            directory=ROOT,
            programs=programs,
            environment=self._environment,
        )
        self._supervisor.start()
        return self._supervisor

    def _app_programs(self) -> list[Program]:
        python = [sys.executable, "-m"]
        celery = [*python, "celery", "-A"]
        web = f"gunicorn config.wsgi --bind {LOOPBACK}:{self._options.port} --threads 8"
        web += " --no-control-socket --graceful-timeout 5"
        worker = f"worker -Q {QUEUES} --concurrency 2 --without-gossip --without-mingle"
        beat = ["beat", "--pidfile", ""]
        return [
            app_program("web", [*python, *web.split()]),
            app_program("worker", [*celery, "config", *worker.split()], stop_seconds=15),
            app_program("beat", [*celery, "config.beat", *beat]),
            *(self._demo.programs() if self._options.demo else []),
        ]

    def _wait_for(self, server: Server) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not server.is_healthy():
            has_failed = self._supervisor and self._supervisor.has_failed(server.name)
            if has_failed or time.monotonic() > deadline:
                raise ServerFailed(f"{server.name} did not start; see {server.log_path}.")
            time.sleep(0.1)
        server.complete_setup()

    def _wait_for_web(self, supervisor: Supervisor) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline and not supervisor.has_failed("web"):
            try:
                if requests.get(f"{self._address}/health/live", timeout=5).ok:
                    return
            except requests.RequestException:  # still importing
                time.sleep(0.1)
        raise StepFailed(f"The web process did not start; see {self._stack.logs / 'web.log'}.")

    def _create_staff_user(self, database_url: str) -> str:
        """Create the staff user if it is missing; return its password, or an empty text."""
        with psycopg.connect(database_url, connect_timeout=5) as connection:
            query = "SELECT 1 FROM auth_user WHERE username = %s"
            if connection.execute(query, [STAFF]).fetchone():
                return ""
        password = secrets.token_urlsafe(12)
        with self._preparation.step("Staff user"):
            self._preparation.run_command(
                "createsuperuser",
                "--no-input",
                "--username",
                STAFF,
                "--email",
                "staff@localhost",
                extra_environment={"DJANGO_SUPERUSER_PASSWORD": password},
            )
        return password

    def _announce(self, password: str, product_id: str, seconds: float) -> None:
        show = self._console.print
        if password:
            login = f"password [bold]{password}[/bold] (shown only this once)"
        else:
            login = f"password as before; to set a new one: bin/manage changepassword {STAFF}"
        show(f"\n[bold green]Cultivar is running[/bold green] [dim](after {seconds:.0f} s)[/dim]")
        show(f"Console   {self._address}/console/ — user {STAFF}, {login}", soft_wrap=True)
        show(f"API docs  {self._address}/api/docs/")
        if product_id:
            show(f"API key   {self._demo.key}")
            show("Try:")
            for line in self._demo.examples(product_id):
                print(f"  {line}", flush=True)  # without line breaks, to be copied
        if self._options.demo:
            show(
                "Model     recommendations are trained on the simulated customers; gates: "
                f"{self._stack.logs / VISITORS}.log, {self._address}/console/mlops/modelversion/",
                soft_wrap=True,
            )
        show(f"Logs      {self._stack.logs}")
        show("Ctrl-C stops everything; the data stays.")

    def _watch(self, supervisor: Supervisor) -> NoReturn:
        process_ids = supervisor.process_ids()
        while supervisor.is_running():
            time.sleep(1)
            supervisor.reap_orphans()
            try:
                current = supervisor.process_ids()
            except OSError:
                continue  # supervisord is about to end
            for name, process_id in current.items():
                if process_id and process_id != process_ids[name]:
                    self._console.print(
                        f"[yellow]{name} ended and was restarted[/yellow]; see its log."
                    )
                    process_ids[name] = process_id
        raise StepFailed(f"Supervisor ended; see {self._stack.logs / 'supervisord.log'}.")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="bin/dev", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=8000, help="port of the web process (default: 8000)"
    )
    parser.add_argument(
        "--no-demo",
        dest="demo",
        action="store_false",
        help="start without sample supplier, API key and first sync",
    )
    parser.add_argument("--reset", action="store_true", help="delete all data first")
    parser.add_argument("--yes", action="store_true", help="with --reset: do not ask")
    options = parser.parse_args(arguments)
    if not 0 < options.port < 65536:
        parser.error("--port must be between 1 and 65535")
    return options


def main() -> int:
    """Run until stopped; return exit code 0 after Ctrl-C, 1 after a failure, 2 if refused."""
    options = parse()
    console = Console(highlight=False)
    # Keys, data and logs are for their owner alone.
    os.umask(0o077)
    with terminate_descendants_on_exit():
        start = LocalStart(options, console)
        try:
            start.run()
        except KeyboardInterrupt:
            return 0 if start.is_up else EXIT_INTERRUPTED
        except StartRefused as error:
            console.print(f"[red]{error}[/red]", soft_wrap=True)
            return EXIT_REFUSED
        except (
            StepFailed,
            ServerFailed,
            OSError,
            requests.RequestException,
            psycopg.Error,
        ) as error:
            console.print(f"[red]{' '.join(str(error).split())}[/red]", soft_wrap=True)
            return EXIT_FAILED
        finally:
            ignore_signals()
            start.stop()


if __name__ == "__main__":
    raise SystemExit(main())
