"""Virus scanner: the same tests over clamd's protocol and, where it is installed, over clamd."""

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile

from catalog.services.product_imports import upload_product_sheet
from config.clients.clamav import FileInfected, ScannerUnavailable, scan_file
from config.embedded.ports import LOOPBACK, free_port
from config.errors import BadInput
from tests.fakes.clamav import EICAR, MAX_BYTES, running_scanner
from tests.servers import clamd


def _scanner(name: str, directory: Path) -> AbstractContextManager[str]:
    if name == "fake":
        return running_scanner()
    if not clamd.is_available():
        pytest.skip("clamd is not installed (Debian: clamav-daemon)")
    return clamd.running_clamd(directory)


@pytest.fixture(params=["fake", "clamd"])
def _scanned(request: pytest.FixtureRequest, tmp_path: Path, settings: Any) -> Iterator[None]:
    """Set the address of a scanner that knows the test file of EICAR."""
    with _scanner(request.param, tmp_path) as settings.CLAMAV_ADDRESS:
        yield


@pytest.mark.usefixtures("_scanned")
class TestScanner:
    def test_a_clean_file_passes_and_can_be_read_afterwards(self) -> None:
        file = io.BytesIO(b"name,price\n" + b"Pink Kush,30\n" * 10_000)

        scan_file(file)

        assert file.read(10) == b"name,price"

    def test_an_infected_file_is_refused_by_its_signature(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pytest.raises(FileInfected, match="Eicar-Test"):
            scan_file(io.BytesIO(b"\n" * 100_000 + EICAR))

        assert "file.infected" in caplog.text

    def test_an_empty_file_passes(self) -> None:
        scan_file(io.BytesIO())

    def test_a_file_beyond_the_limit_of_the_scanner_is_not_accepted(self) -> None:
        with pytest.raises(ScannerUnavailable):
            scan_file(io.BytesIO(b"x" * (2 * MAX_BYTES)))

    def test_an_infected_sheet_is_not_stored(self) -> None:
        sheet = SimpleUploadedFile("sheet.csv", b"name\n" + EICAR)

        with pytest.raises(BadInput, match="is infected"):
            upload_product_sheet(file=sheet, by=User())


def test_nothing_is_accepted_while_the_scanner_is_unavailable(settings: Any) -> None:
    settings.CLAMAV_ADDRESS = f"{LOOPBACK}:{free_port()}"
    sheet = SimpleUploadedFile("sheet.csv", b"name\nPink Kush\n")

    with pytest.raises(BadInput, match="cannot be scanned"):
        upload_product_sheet(file=sheet, by=User())


def test_a_socket_of_the_file_system_is_an_address(tmp_path: Path, settings: Any) -> None:
    with (
        running_scanner(tmp_path / "clamd.sock") as settings.CLAMAV_ADDRESS,
        pytest.raises(FileInfected),
    ):
        scan_file(io.BytesIO(EICAR))


def test_an_address_without_a_scanner_is_one_line(tmp_path: Path, settings: Any) -> None:
    settings.CLAMAV_ADDRESS = str(tmp_path / "clamd.sock")

    with pytest.raises(ScannerUnavailable, match=r"^The virus scanner is unavailable: File"):
        scan_file(io.BytesIO(b"clean"))
