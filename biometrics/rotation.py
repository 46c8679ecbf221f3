"""
Keyed random rotation of embeddings (cancelable templates, ISO/IEC 24745).

An orthogonal matrix preserves inner products: probes and templates that are rotated with the same
key match as the embeddings do. Templates that are rotated with different keys are unrelated, so
that those of two deployments cannot be linked, and a new key revokes all templates.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

DIMENSION = 128
Float32Array = npt.NDArray[np.float32]


def rotate_with(key: bytes, embeddings: Float32Array) -> Float32Array:
    """
    Return embeddings rotated with a key.

    embeddings: float32, (128,) or (n, 128); norms are preserved.
    """
    rotated = embeddings.astype(np.float64) @ rotation_matrix(key).T
    return rotated.astype(np.float32)


@lru_cache(maxsize=4)
def rotation_matrix(key: bytes) -> npt.NDArray[np.float64]:
    """
    Return the orthogonal matrix of a key, (128, 128), uniformly distributed over all rotations.

    It is computed from a key stream and not by numpy's generators, whose values may change with a
    version: stored templates would no longer match.
    """
    orthogonal, triangular = np.linalg.qr(_normal_values(key).reshape(DIMENSION, DIMENSION))
    # Without these signs the distribution would depend on the QR algorithm.
    matrix: npt.NDArray[np.float64] = orthogonal * np.sign(np.diag(triangular))
    matrix.setflags(write=False)
    return matrix


def rotation_id(key: bytes) -> bytes:
    """Return 4 bytes by which templates of this key are recognized."""
    return _derive(key, b"id", 4)


def _normal_values(key: bytes) -> Any:
    """Return 128 * 128 independent normal values (Box-Muller)."""
    count = DIMENSION * DIMENSION
    uniform = (_key_stream(key, count) >> np.uint64(11)).astype(np.float64) / 2.0**53
    radius = np.sqrt(-2.0 * np.log1p(-uniform[0::2]))
    angle = 2.0 * np.pi * uniform[1::2]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])


def _key_stream(key: bytes, count: int) -> Any:
    stream_key = _derive(key, b"stream", 32)
    cipher = Cipher(algorithms.ChaCha20(stream_key, bytes(16)), mode=None)
    return np.frombuffer(cipher.encryptor().update(bytes(8 * count)), dtype="<u8")


def _derive(key: bytes, purpose: bytes, length: int) -> bytes:
    info = b"cultivar:biometric-rotation:" + purpose
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(key)
