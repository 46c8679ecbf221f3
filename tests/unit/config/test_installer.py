"""Installer of bin/: pip's configuration for uv, stamps of sets, failures and their repetition."""

import subprocess
import sys
from pathlib import Path

import pytest

from config.embedded import installer
from config.embedded.installer import (
    Installation,
    InstallationFailed,
    pip_configuration,
    reason_of,
    torch_indexes,
    uv_environment,
)

NETWORK_FAULT = "error: Failed to download `numpy`: connection reset by peer"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one set of requirements and an empty environment."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "local.txt").write_text("django==1\n")
    (tmp_path / "requirements" / "local.lock").write_text("django==1\n")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    monkeypatch.setattr(installer, "ROOT", tmp_path)
    monkeypatch.setattr(installer, "ENVIRONMENT", tmp_path / ".venv")
    monkeypatch.setattr(installer, "LOG", tmp_path / ".venv" / "install.log")
    monkeypatch.setattr("time.sleep", lambda _: None)
    return tmp_path


def _fail_with(outputs: list[str], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let commands of the installer fail with these outputs, then pass; return the exit codes."""
    codes: list[int] = []

    def call(_self: Installation, _command: object, _environment: object = None) -> int:
        failed = len(codes) < len(outputs)
        installer.LOG.write_text(outputs[len(codes)] if failed else "")
        codes.append(int(failed))
        return codes[-1]

    monkeypatch.setattr(Installation, "_call", call)
    return codes


# --- configuration of pip -------------------------------------------------------------------------


def test_options_of_the_environment_and_of_install_win() -> None:
    listing = "\n".join(
        [
            ":env:.cert='/env.pem'",
            "global.cert='/global.pem'",
            "global.index-url='https://one.example/simple'",
            "install.index-url='https://two.example/simple'",
        ]
    )

    assert pip_configuration(listing) == {
        "cert": "/env.pem",
        "index-url": "https://two.example/simple",
    }


def test_uv_reaches_the_indexes_that_pip_is_configured_for() -> None:
    options = {
        "index-url": "https://one.example/simple",
        "extra-index-url": "https://two.example/simple\nfile:///three/simple",
        "find-links": "wheels /opt/wheels",
        "cert": "/etc/ssl/own.pem",
        "trusted-host": "one.example two.example",
        "timeout": "180",
    }

    settings = uv_environment(options, {}, folder=Path("/project"))

    assert settings["UV_DEFAULT_INDEX"] == "https://one.example/simple"
    assert settings["UV_INDEX"] == "https://two.example/simple file:///three/simple"
    assert settings["UV_FIND_LINKS"] == "/project/wheels,/opt/wheels"
    assert settings["UV_INSECURE_HOST"] == "one.example two.example"
    assert settings["SSL_CERT_FILE"] == "/etc/ssl/own.pem"
    assert settings["UV_HTTP_TIMEOUT"] == "180"


def test_certificates_of_the_system_are_trusted_without_any_configuration() -> None:
    settings = uv_environment({}, {}, folder=Path("/project"))

    assert settings["UV_SYSTEM_CERTS"] == "true"
    assert "UV_DEFAULT_INDEX" not in settings
    assert "SSL_CERT_FILE" not in settings


def test_what_the_environment_says_to_uv_stays() -> None:
    environment = {"UV_DEFAULT_INDEX": "https://uv.example/simple"}

    settings = uv_environment(
        {"index-url": "https://pip.example/simple"}, environment, folder=Path("/project")
    )

    assert settings["UV_DEFAULT_INDEX"] == "https://uv.example/simple"


@pytest.mark.parametrize(
    "file", ["etc/pip.conf", ".config/pip/pip.conf", ".pip/pip.conf", "named.conf"]
)
def test_pip_lists_the_options_of_each_of_its_files(file: str, tmp_path: Path) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[global]\nextra-index-url = https://extra.example/simple\n")
    environment = {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "etc")}
    if file == "named.conf":
        environment["PIP_CONFIG_FILE"] = str(path)
    if file == "etc/pip.conf":
        path = path.rename(tmp_path / "etc" / "pip.conf")
        (tmp_path / "etc" / "pip").mkdir()
        path.rename(tmp_path / "etc" / "pip" / "pip.conf")

    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    options = pip_configuration(done.stdout)
    assert options["extra-index-url"] == "https://extra.example/simple"


# --- torch ----------------------------------------------------------------------------------------


def test_torch_comes_from_an_index_of_cpu_builds_where_one_answers() -> None:
    assert torch_indexes({}, is_reachable=lambda _: True) == [installer.TORCH_INDEX]
    assert torch_indexes({}, is_reachable=lambda _: False) == [""]


@pytest.mark.parametrize("index", ["https://cuda.example/whl/cu130", ""])
def test_named_index_of_torch_is_used_alone(index: str) -> None:
    assert torch_indexes({"TORCH_INDEX_URL": index}, is_reachable=lambda _: True) == [index]


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("error: Failed to write: No space left on device (os error 28)", "disk"),
        ("client error (Connect) invalid peer certificate: UnknownIssuer", "certificate"),
        (NETWORK_FAULT, "network"),
        ("error decoding response body: end of file before message length reached", "network"),
        ("error: Hash mismatch for numpy", ""),
    ],
)
def test_reason_of_a_failure_is_read_from_its_output(output: str, reason: str) -> None:
    assert reason_of(output, free_megabytes=5000) == reason


@pytest.mark.usefixtures("project")
def test_broken_download_is_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = _fail_with([NETWORK_FAULT, NETWORK_FAULT], monkeypatch)

    Installation(["local"])._download([], {})

    assert codes == [1, 1, 0]


@pytest.mark.usefixtures("project")
def test_download_is_given_up_after_the_last_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = _fail_with([NETWORK_FAULT] * 9, monkeypatch)

    with pytest.raises(InstallationFailed, match="cannot be reached"):
        Installation(["local"])._download([], {})

    assert len(codes) == installer.MAX_ATTEMPTS


@pytest.mark.usefixtures("project")
def test_wrong_hash_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = _fail_with(["error: Hash mismatch for numpy"], monkeypatch)

    with pytest.raises(InstallationFailed, match="Hash mismatch for numpy"):
        Installation(["local"])._download([], {})

    assert codes == [1]


def test_full_disk_is_refused_before_anything_is_written(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installer, "_free_megabytes", lambda: 100)

    with pytest.raises(InstallationFailed, match="Only 100 MB are free"):
        Installation(["local"]).run()

    assert not (project / ".venv" / "install.log").exists()


# --- sets -----------------------------------------------------------------------------------------


def test_installed_set_is_current_until_its_lock_changes(project: Path) -> None:
    installer.stamp_path("local").parent.mkdir()
    installer.stamp_path("local").write_text(installer.stamp("local"))
    assert installer.is_current("local")

    (project / "requirements" / "local.lock").write_text("django==2\n")

    assert not installer.is_current("local")


@pytest.mark.usefixtures("project")
def test_set_without_a_stamp_is_not_current() -> None:
    assert not installer.is_current("local")


def test_unknown_set_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert installer.main(["nothing"]) == installer.EXIT_FAILED

    assert "Unknown set of requirements: nothing" in capsys.readouterr().err
