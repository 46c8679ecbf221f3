"""Keys of the settings: their fingerprints for the manifest, and the key file."""

from pathlib import Path

from django.conf import settings

from config.crypto import KeyRing
from mlops.backup.errors import KeyFileRefused
from mlops.backup.key_file import encrypt_keys
from mlops.backup.manifest import write_private_bytes


def key_fingerprints() -> dict[str, dict[str, str]]:
    """
    Return fingerprints of the encryption keys, by setting and key id.

    Those of a key management service are not here: only their encrypted forms are known.
    """
    rings = {"KEY_RING": settings.KEY_RING}
    if settings.BIOMETRIC_KEY_SOURCE != "kms":
        rings["BIOMETRIC_KEYS"] = _biometric_keys()
    return {name: KeyRing.read(text).fingerprints() for name, text in rings.items() if text}


def write_key_file(path: Path, *, backup: Path) -> None:
    """
    Write the keys of the settings, encrypted under BACKUP_PASSPHRASE.

    Raises BadInput: passphrase; KeyFileRefused: the file exists or lies in the folder of backups.
    """
    if path.resolve().is_relative_to(backup.resolve()):
        raise KeyFileRefused("--keys: must not lie in the folder of the backups.")
    if path.exists():
        raise KeyFileRefused(f"--keys: {path} exists.")
    keys = {"SECRET_KEY": settings.SECRET_KEY, "KEY_RING": settings.KEY_RING}
    if biometric_keys := _biometric_keys():
        keys["BIOMETRIC_KEYS"] = biometric_keys
    content = encrypt_keys(keys, settings.BACKUP_PASSPHRASE)
    try:
        write_private_bytes(path, content)
    except OSError as error:
        raise KeyFileRefused(f"--keys: {path}: {error.strerror}.") from error


def _biometric_keys() -> str:
    if settings.BIOMETRIC_KEY_SOURCE == "file":
        path = settings.BIOMETRIC_KEY_FILE
        return Path(path).read_text().strip() if path and Path(path).is_file() else ""
    return str(settings.BIOMETRIC_KEYS)
