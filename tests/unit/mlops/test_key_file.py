"""Key file: the passphrase alone recovers the keys, and a changed file is refused."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from config.embedded.stack import ROOT
from config.errors import BadInput
from mlops.backup.errors import KeyFileRefused
from mlops.backup.key_file import decrypt_keys, encrypt_keys
from mlops.backup.keys import write_key_file

_KEYS = {"KEY_RING": "k1:" + "A" * 44, "SECRET_KEY": "secret"}
_PASSPHRASE = "correct horse battery"


def test_passphrase_recovers_the_keys() -> None:
    assert decrypt_keys(encrypt_keys(_KEYS, _PASSPHRASE), _PASSPHRASE) == _KEYS


def test_key_file_does_not_show_the_keys() -> None:
    content = encrypt_keys(_KEYS, _PASSPHRASE)

    assert _KEYS["KEY_RING"].encode() not in content


def test_wrong_passphrase_is_refused() -> None:
    content = encrypt_keys(_KEYS, _PASSPHRASE)

    with pytest.raises(BadInput, match="BACKUP_PASSPHRASE"):
        decrypt_keys(content, _PASSPHRASE + "!")


def test_changed_key_file_is_refused() -> None:
    document = json.loads(encrypt_keys(_KEYS, _PASSPHRASE))
    document["ciphertext"] = "A" + document["ciphertext"][1:].replace("=", "")[:-4] + "AAAA"

    with pytest.raises(BadInput):
        decrypt_keys(json.dumps(document).encode(), _PASSPHRASE)


def test_truncated_key_file_is_refused() -> None:
    content = encrypt_keys(_KEYS, _PASSPHRASE)

    with pytest.raises(BadInput, match="cut short"):
        decrypt_keys(content[:-20], _PASSPHRASE)


def test_short_passphrase_is_refused() -> None:
    with pytest.raises(BadInput, match="at least 16 characters"):
        encrypt_keys(_KEYS, "short")


def test_key_file_in_the_folder_of_the_backups_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileRefused, match="folder of the backups"):
        write_key_file(tmp_path / "keys.json", backup=tmp_path)


def test_program_recovers_the_lines_of_the_settings_without_any_setting(
    tmp_path: Path, settings: object
) -> None:
    settings.BACKUP_PASSPHRASE = _PASSPHRASE  # type: ignore[attr-defined]
    path = tmp_path / "keys.json"
    write_key_file(path, backup=tmp_path / "backups")

    completed = subprocess.run(
        [sys.executable, "-m", "mlops.backup.key_file", str(path)],
        cwd=ROOT,
        env={"BACKUP_PASSPHRASE": _PASSPHRASE, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )

    assert completed.returncode == 0, completed.stderr
    lines = dict(line.split("=", 1) for line in completed.stdout.splitlines())
    assert lines["KEY_RING"] == settings.KEY_RING  # type: ignore[attr-defined]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_program_ends_with_one_line_for_a_wrong_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(encrypt_keys(_KEYS, _PASSPHRASE))

    completed = subprocess.run(
        [sys.executable, "-m", "mlops.backup.key_file", str(path)],
        cwd=ROOT,
        env={"BACKUP_PASSPHRASE": "another passphrase", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )

    assert completed.returncode == 2
    assert len(completed.stderr.splitlines()) == 1
