"""A real S3 server for tests: SeaweedFS, from its wheel, as one process on the loopback."""

import os
import random
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from config.embedded.ports import LOOPBACK, is_taken

_START_SECONDS = 60
_GRPC_PORT_OFFSET = 10_000


@dataclass(frozen=True, slots=True)
class S3:
    """Address and credentials of a server."""

    url: str
    key: str
    secret: str
    bucket: str

    def client(self) -> Any:
        """Return a boto3 client."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
            config=Config(
                retries={"max_attempts": 1}, s3={"addressing_style": "path"}, connect_timeout=1
            ),
        )

    def storage(self) -> dict[str, Any]:
        """Return the entry of the Django setting STORAGES."""
        options = {
            "bucket_name": self.bucket,
            "endpoint_url": self.url,
            "access_key": self.key,
            "secret_key": self.secret,
            "region_name": "us-east-1",
            "addressing_style": "path",
            "file_overwrite": True,
        }
        return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}


def is_available() -> bool:
    """Return whether the wheel is installed."""
    return _program().exists()


class Seaweed:
    """A server with its data in a directory and one bucket with versioning; it can be killed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ports = [_free_port() for _ in range(5)]
        url = f"http://{LOOPBACK}:{self._ports[3]}"
        self.address = S3(url, "testkey", "testsecret", "people")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server with its existing data and wait until it stores objects."""
        with (self._directory / "weed.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                env={
                    **os.environ,
                    "AWS_ACCESS_KEY_ID": self.address.key,
                    "AWS_SECRET_ACCESS_KEY": self.address.secret,
                    "GOMEMLIMIT": "400MiB",
                },
                stdout=log,
                stderr=log,
                cwd=self._directory,
                start_new_session=True,
            )
        _wait_until_ready(self.address, self._process)
        self.address.client().put_bucket_versioning(
            Bucket=self.address.bucket, VersioningConfiguration={"Status": "Enabled"}
        )

    def kill(self) -> None:
        """Kill the server with SIGKILL. Safe to repeat."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def _command(self) -> list[str]:
        master, volume, filer, port, admin = self._ports
        return [
            str(_program()),
            "-logtostderr=true",
            "mini",
            f"-dir={self._directory}",
            f"-ip={LOOPBACK}",
            f"-ip.bind={LOOPBACK}",
            f"-bucket={self.address.bucket}",
            f"-master.port={master}",
            f"-volume.port={volume}",
            f"-filer.port={filer}",
            f"-s3.port={port}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-webdav=false",
            "-admin.ui=false",
            f"-admin.port={admin}",
        ]


@contextmanager
def start_seaweed(directory: Path) -> Iterator[S3]:
    """Run a server with its data in the directory, which is deleted in the end."""
    server = Seaweed(directory)
    try:
        server.start()
        yield server.address
    finally:
        server.kill()
        shutil.rmtree(directory, ignore_errors=True)


def _program() -> Path:
    return Path(sysconfig.get_path("scripts")) / "weed"


def _free_port() -> int:
    """Return a free port whose gRPC port, 10,000 above, is free as well."""
    while True:
        port = random.randrange(20_000, 28_000)
        if not (is_taken(port) or is_taken(port + _GRPC_PORT_OFFSET)):
            return port


def _wait_until_ready(server: S3, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    client = server.client()
    while True:
        try:
            client.put_object(Bucket=server.bucket, Key=".ready", Body=b"")
            client.delete_object(Bucket=server.bucket, Key=".ready")
        except Exception as error:  # botocore raises many unrelated errors
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"SeaweedFS did not start: {error}") from error
            time.sleep(0.05)
        else:
            return
