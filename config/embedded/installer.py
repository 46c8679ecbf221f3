"""
Installation of locked requirements into .venv; the scripts of bin/ call it through bin/environment.

Usage: `python -P config/embedded/installer.py SET …`, with any Python from 3.11 on: it runs before
anything is installed and uses the standard library alone. A set is a lock of requirements/; it is
installed only when its lock, the folder or Python differ from those of the last installation.
"""

import ast
import hashlib
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv"
LOG = ENVIRONMENT / "install.log"
EXIT_FAILED = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
MAX_ATTEMPTS = 4
"""Tries of one download step; packages that arrived are not downloaded again."""
TORCH_SET = "train"
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
FREE_MEGABYTES = {"local": 1500, "test": 2000, "train": 3500}
"""Room for a set while it is installed; torch from an index without CPU builds takes 5 GB more."""

_FULL = re.compile(r"No space left|os error 28|Disk quota exceeded|os error 122", re.I)
_CERTIFICATE = re.compile(r"UnknownIssuer|CERTIFICATE_VERIFY_FAILED|invalid peer certificate", re.I)
_NETWORK = re.compile(
    r"name resolution|NewConnectionError|ConnectTimeout|dns error|error sending request"
    r"|Network is unreachable|Connection (refused|reset|broken|aborted)|timed? ?out|IncompleteRead"
    r"|end of file before message length|error decoding response body|request or response body"
    r"|Failed to (fetch|download)|5\d\d (Server|Internal|Bad Gateway|Service)",
    re.I,
)


class InstallationFailed(Exception):
    """The installation failed; the text is one line that says what to do."""


# --- configuration of pip -------------------------------------------------------------------------


def pip_configuration(listing: str) -> dict[str, str]:
    """
    Return pip's options by name from the output of `pip config list`.

    pip reads all its files, and of the same option the later line counts: those of `install` before
    those of all commands, and variables of the environment before files.
    """
    options: dict[str, str] = {}
    for rank in ("global", "install", ":env:"):
        for line in listing.splitlines():
            section, _, rest = line.partition(".")
            name, _, value = rest.partition("=")
            if section == rank and value:
                options[name.replace("_", "-")] = str(ast.literal_eval(value))
    return options


def uv_environment(
    options: Mapping[str, str], environment: Mapping[str, str], *, folder: Path
) -> dict[str, str]:
    """
    Return what uv needs to reach the package indexes that pip is configured for.

    uv reads no configuration of pip. folder: that relative paths start from. What the environment
    already says to uv stays. Certificates are the system's, or the ones that pip is given.
    """
    settings = {
        "UV_SYSTEM_CERTS": "true",
        # As pip chooses: the newest version of all indexes, whichever has it.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_HTTP_TIMEOUT": options.get("timeout", options.get("default-timeout", "60")),
        "UV_PYTHON_DOWNLOADS": "never",
    }
    if "index-url" in options:
        settings["UV_DEFAULT_INDEX"] = options["index-url"]
    if "extra-index-url" in options:
        settings["UV_INDEX"] = " ".join(options["extra-index-url"].split())
    if "find-links" in options:
        links = options["find-links"].split()
        settings["UV_FIND_LINKS"] = ",".join(
            link if "://" in link else str(folder / Path(link).expanduser()) for link in links
        )
    if "trusted-host" in options:
        settings["UV_INSECURE_HOST"] = " ".join(options["trusted-host"].split())
    if "cert" in options:
        settings["SSL_CERT_FILE"] = str(Path(options["cert"]).expanduser())
    if "proxy" in options:
        settings["ALL_PROXY"] = options["proxy"]
    return settings | {name: environment[name] for name in settings if environment.get(name)}


# --- what is installed ----------------------------------------------------------------------------


def lock_path(name: str) -> Path:
    """Return the lock of a set."""
    return ROOT / "requirements" / f"{name}.lock"


def stamp_path(name: str) -> Path:
    """Return the file that says from which lock a set was installed."""
    return ENVIRONMENT / "sets" / name


def stamp(name: str) -> str:
    """Return the checksum over everything that an installed set depends on."""
    digest = hashlib.sha256(str(ROOT).encode())
    for path in (lock_path(name), ROOT / "requirements" / f"{name}.txt"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def is_current(name: str) -> bool:
    """Whether a set was installed completely, in this folder, from this lock."""
    path = stamp_path(name)
    has_python = (ENVIRONMENT / "bin" / "python").exists()
    return has_python and path.is_file() and path.read_text() == stamp(name)


def torch_requirement() -> str:
    """Return the pinned requirement of torch, which stands in no lock."""
    lines = (ROOT / "requirements" / "train.txt").read_text().splitlines()
    return next(line.split()[0] for line in lines if line.startswith("torch=="))


def torch_indexes(
    environment: Mapping[str, str], *, is_reachable: Callable[[str], bool]
) -> list[str]:
    """
    Return the indexes to try first for torch, best first; an empty text is none besides the others.

    CPU builds are small and run everywhere; an index of them is asked unless TORCH_INDEX_URL names
    another one. TORCH_INDEX_URL set to nothing asks none.
    """
    if "TORCH_INDEX_URL" in environment:
        return [environment["TORCH_INDEX_URL"]]
    return [TORCH_INDEX] if is_reachable(TORCH_INDEX) else [""]


def reason_of(output: str, *, free_megabytes: int) -> str:
    """Return why an installation failed: `disk`, `certificate`, `network`, or an empty text."""
    if free_megabytes < 50 or _FULL.search(output):
        return "disk"
    if _CERTIFICATE.search(output):
        return "certificate"
    return "network" if _NETWORK.search(output) else ""


# --- steps ----------------------------------------------------------------------------------------


class Installation:
    """One run: the steps that are missing, with what each took."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._child: subprocess.Popen[bytes] | None = None
        self._uv: dict[str, str] = {}
        self._steps = 2 + len(names) + (TORCH_SET in names)
        self._step = 0
        self._megabytes = 0

    def run(self) -> None:
        """Install the sets. Raises InstallationFailed."""
        self._check_disk()
        started = time.monotonic()
        ENVIRONMENT.mkdir(exist_ok=True)
        LOG.write_text("")
        before = self._megabytes = _size_megabytes(ENVIRONMENT)
        print(f"Installing {' and '.join(self._names)} of requirements/ into .venv:", flush=True)
        self._run_step("Python environment", self._create_environment)
        self._run_step("installer", self._install_uv)
        self._uv = uv_environment(self._read_pip_configuration(), os.environ, folder=ROOT)
        for name in self._names:
            stamp_path(name).unlink(missing_ok=True)
            if name == TORCH_SET:
                self._run_step(torch_requirement(), self._install_torch)
            packages = lock_path(name).read_text().count("==")
            self._run_step(f"{name}: {packages} packages", partial(self._install, name))
            stamp_path(name).parent.mkdir(exist_ok=True)
            stamp_path(name).write_text(stamp(name))
        seconds = time.monotonic() - started
        print(f"Installed {self._megabytes - before} MB in {seconds:.0f} s.", flush=True)

    def stop(self) -> None:
        """End the running command. Safe to repeat."""
        if self._child and self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(5)
            except subprocess.TimeoutExpired:
                self._child.kill()

    def _check_disk(self) -> None:
        needed = max(FREE_MEGABYTES.get(name, 0) for name in self._names)
        if _free_megabytes() < needed:
            raise InstallationFailed(
                f"Only {_free_megabytes()} MB are free on this disk. Free {needed} MB and run this"
                " again."
            )

    def _run_step(self, title: str, work: Callable[[], None]) -> None:
        """Run a step; show the room that it took and its duration."""
        self._step += 1
        label = f"  {self._step}/{self._steps} {title}"
        if sys.stdout.isatty():
            print(f"{label} …", end="\r", flush=True)
        started = time.monotonic()
        work()
        megabytes = _size_megabytes(ENVIRONMENT)
        grown = megabytes - self._megabytes
        self._megabytes = megabytes
        print(f"{label}: {grown} MB, {time.monotonic() - started:.1f} s", flush=True)

    def _create_environment(self) -> None:
        if _is_usable(ENVIRONMENT / "bin" / "python"):
            return
        create = [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)]
        if not self._call(create):
            return
        # Some systems package Python without ensurepip but with pip.
        if self._call([*create, "--without-pip"]):
            raise InstallationFailed(
                "Python's venv does not work here. Install it (Debian: apt-get install"
                " python3-venv) and run this again."
            )
        python = str(ENVIRONMENT / "bin" / "python")
        if self._call([sys.executable, "-m", "pip", "--python", python, "install", "pip"]):
            raise InstallationFailed(
                "Neither ensurepip nor pip works here. Install python3-venv and run this again."
            )

    def _install_uv(self) -> None:
        options = ["install", "-q", "--no-cache-dir", "--no-deps", "--require-hashes", "-r"]
        self._download([*_pip(), *options, str(lock_path("installer"))], os.environ)

    def _read_pip_configuration(self) -> dict[str, str]:
        done = subprocess.run(
            [*_pip(), "config", "list"], capture_output=True, text=True, check=False, cwd=ROOT
        )
        return pip_configuration(done.stdout)

    def _install(self, name: str) -> None:
        # The lock is complete, so that nothing needs to be resolved.
        options = ["--no-deps", "--require-hashes", "-r", str(lock_path(name))]
        self._download([*_uv_install(), *options], {**os.environ, **self._uv})

    def _install_torch(self) -> None:
        requirement = torch_requirement()
        for index in torch_indexes(os.environ, is_reachable=_answers):
            environment = {**os.environ, **self._uv}
            if index:
                environment["UV_INDEX"] = f"{index} {self._uv.get('UV_INDEX', '')}".strip()
            self._download([*_uv_install(), requirement], environment)

    def _download(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Run a command; repeat it after faults of the network. Raises InstallationFailed."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            if not self._call(command, environment):
                return
            output = LOG.read_text(errors="replace")
            reason = reason_of(output, free_megabytes=_free_megabytes())
            if reason != "network" or attempt == MAX_ATTEMPTS:
                break
            print(
                f"  The download broke off; it continues in {2**attempt} s"
                f" ({attempt + 1} of {MAX_ATTEMPTS} attempts).",
                flush=True,
            )
            time.sleep(2**attempt)
        raise InstallationFailed(_explanation(reason, output))

    def _call(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
        """Run a command with its output in the log, or on a terminal; return its exit code."""
        with LOG.open("wb") as log:
            self._child = subprocess.Popen(
                command,
                cwd=ROOT,
                env=dict(environment or os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            return self._child.wait()


def _explanation(reason: str, output: str) -> str:
    if reason == "disk":
        return "The disk is full. Free 4 GB and run this again."
    if reason == "certificate":
        return (
            "The certificate of the package index is not trusted. Add its authority to the"
            f" system's, or name the file in pip's `cert`, and run this again. Full log: {LOG}"
        )
    if reason == "network":
        return (
            "The package index cannot be reached. Check the network (or pip's index-url) and run"
            f" this again; what arrived is kept. Full log: {LOG}"
        )
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return f"Installing failed: {(lines or ['no reason given'])[-1][:200]} Full log: {LOG}"


def _pip() -> list[str]:
    return [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]


def _uv_install() -> list[str]:
    python = str(ENVIRONMENT / "bin" / "python")
    return [python, "-m", "uv", "pip", "install", "--no-progress", "-p", python]


def _is_usable(python: Path) -> bool:
    check = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    try:
        return not subprocess.run(
            [python, "-c", check], capture_output=True, check=False
        ).returncode
    except OSError:
        return False


def _answers(url: str) -> bool:
    """Whether an index answers; a machine that trusts other certificates does not use it."""
    context = ssl.create_default_context()
    try:
        with urllib.request.urlopen(f"{url}/torch/", timeout=5, context=context):  # noqa: S310 - our own address
            return True
    except OSError:
        return False


def _free_megabytes() -> int:
    return shutil.disk_usage(ROOT).free // 1_000_000


def _size_megabytes(folder: Path) -> int:
    """Return the room that the files of a folder take."""
    total = 0
    for current, _, files in os.walk(folder):
        total += sum(os.lstat(os.path.join(current, name)).st_blocks * 512 for name in files)
    return total // 1_000_000


def main(names: Sequence[str]) -> int:
    """Install the sets that are missing; return the exit code."""
    unknown = [name for name in names if not lock_path(name).is_file()]
    if unknown or not names:
        print(f"Unknown set of requirements: {', '.join(unknown) or 'none named'}", file=sys.stderr)
        return EXIT_FAILED
    missing = [name for name in names if not is_current(name)]
    if not missing:
        return 0
    installation = Installation(missing)

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        installation.stop()
        raise SystemExit(EXIT_TERMINATED if number == signal.SIGTERM else EXIT_INTERRUPTED)

    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, end)
    try:
        installation.run()
    except InstallationFailed as failure:
        print(failure, file=sys.stderr)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
