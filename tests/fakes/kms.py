"""A key management service on the loopback, with the two operations that Cultivar uses."""

import base64
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_ID = "alias/cultivar"
_NONCE_BYTES = 12


class KmsError(Exception):
    """An error of the service, with its code."""


class FakeKms:
    """
    AWS KMS: GenerateDataKey and Decrypt.

    Its responses are those of the service model of botocore, which `test_kms.py` checks.
    """

    def __init__(self) -> None:
        self._cipher = AESGCM(os.urandom(32))
        self.is_disabled = False
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.url = ""

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the response of an operation. Raises KmsError."""
        self.requests.append((operation, dict(parameters)))
        if self.is_disabled:
            raise KmsError("DisabledException")
        context = json.dumps(parameters.get("EncryptionContext", {}), sort_keys=True).encode()
        if operation == "GenerateDataKey":
            if parameters["KeyId"] != KEY_ID:
                raise KmsError("NotFoundException")
            plaintext = os.urandom(32)
            nonce = os.urandom(_NONCE_BYTES)
            blob = nonce + self._cipher.encrypt(nonce, plaintext, context)
            return {"KeyId": KEY_ID, "Plaintext": _text(plaintext), "CiphertextBlob": _text(blob)}
        blob = base64.b64decode(parameters["CiphertextBlob"])
        try:
            plaintext = self._cipher.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], context)
        except (InvalidTag, ValueError):
            raise KmsError("InvalidCiphertextException") from None
        return {
            "KeyId": KEY_ID,
            "Plaintext": _text(plaintext),
            "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        }


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


@contextmanager
def running_kms() -> Iterator[FakeKms]:
    """Run a service; `url` is its address."""
    service = FakeKms()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            operation = self.headers["X-Amz-Target"].removeprefix("TrentService.")
            try:
                status, response = 200, service.call(operation, json.loads(body))
            except KmsError as error:
                status, response = 400, {"__type": str(error), "message": "refused"}
            content = json.dumps(response).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
