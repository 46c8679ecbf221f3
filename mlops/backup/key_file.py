"""
Key file: the keys of a deployment, encrypted under a passphrase.

It is stored apart from the backups, which without the keys cannot be read. To recover the keys,
run `python -m mlops.backup.key_file FILE` with the passphrase in BACKUP_PASSPHRASE; it needs
neither settings nor servers, and prints lines for the file `.env`.
"""

import base64
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from config.errors import BadInput

MIN_PASSPHRASE_LENGTH = 16
_SETTING = "BACKUP_PASSPHRASE"
_FORMAT = 1
# 128 MB and about half a second for each guess.
_SCRYPT_COST = 2**17
_SALT_BYTES = 16
_NONCE_BYTES = 12
_CONTEXT = b"cultivar key file 1"


def encrypt_keys(keys: Mapping[str, str], passphrase: str) -> bytes:
    """Return the text of a key file. Raises BadInput: the passphrase is too short."""
    if len(passphrase) < MIN_PASSPHRASE_LENGTH:
        raise BadInput(_SETTING, f"must have at least {MIN_PASSPHRASE_LENGTH} characters.")
    salt = os.urandom(_SALT_BYTES)
    nonce = os.urandom(_NONCE_BYTES)
    plaintext = json.dumps(dict(keys)).encode()
    ciphertext = AESGCM(_derive(passphrase, salt)).encrypt(nonce, plaintext, _CONTEXT)
    fields = {"salt": salt, "nonce": nonce, "ciphertext": ciphertext}
    encoded = {name: base64.b64encode(value).decode() for name, value in fields.items()}
    return json.dumps({"format": _FORMAT, **encoded}, indent=1).encode()


def decrypt_keys(content: bytes, passphrase: str) -> dict[str, str]:
    """Return the keys by setting. Raises BadInput: no key file, or the wrong passphrase."""
    try:
        document = json.loads(content)
        version = document["format"]
        salt, nonce, ciphertext = (
            base64.b64decode(document[name], validate=True)
            for name in ("salt", "nonce", "ciphertext")
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput("file", "is not a key file, or was cut short.") from error
    if version != _FORMAT:
        raise BadInput("file", f"has format {version}; this release reads format {_FORMAT}.")
    try:
        plaintext = AESGCM(_derive(passphrase, salt)).decrypt(nonce, ciphertext, _CONTEXT)
    except (InvalidTag, ValueError) as error:
        raise BadInput(_SETTING, "is not that of the key file, or the file was changed.") from error
    keys: dict[str, str] = json.loads(plaintext)
    return keys


def main() -> int:
    """Print the keys of a file as lines of `.env`; return 2 with one line for bad input."""
    if len(sys.argv) != 2:  # the program's name and one file
        sys.stderr.write("usage: python -m mlops.backup.key_file FILE\n")
        return 2
    try:
        content = Path(sys.argv[1]).read_bytes()
        keys = decrypt_keys(content, os.environ.get(_SETTING, ""))
    except (BadInput, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for name, value in keys.items():
        sys.stdout.write(f"{name}={value}\n")
    return 0


def _derive(passphrase: str, salt: bytes) -> bytes:
    kdf = Scrypt(salt=salt, length=32, n=_SCRYPT_COST, r=8, p=1)
    return kdf.derive(passphrase.encode())


if __name__ == "__main__":
    raise SystemExit(main())
