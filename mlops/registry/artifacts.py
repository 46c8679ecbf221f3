"""
Artifacts of model versions: bytes in object storage, named by their hash and signed.

The signature covers model, number, format and hash: neither an altered file nor the valid file of
another version passes. Formats hold numbers and text; none can hold code, as pickle can.
"""

import hashlib
import io
import json
import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, get_args

import numpy as np
from django.core.files.storage import default_storage

from config.crypto import key_ring
from mlops.models import ModelVersion
from mlops.registry.errors import ArtifactRefused
from mlops.registry.training_sets import store_once

ArtifactFormat = Literal["safetensors", "npz", "onnx", "lightgbm", "json"]
FORMATS: tuple[ArtifactFormat, ...] = get_args(ArtifactFormat)
_PURPOSE = b"model-artifact"
_SAFETENSORS_FLOATS = {"F16": np.float16, "F32": np.float32, "F64": np.float64}
_LIGHTGBM_START = "tree\n"
_LIGHTGBM_NUMBERS = ("leaf_value", "threshold", "split_gain", "internal_value")


def store_artifact(body: bytes, *, model: str, artifact_format: ArtifactFormat) -> tuple[str, str]:
    """
    Store an artifact under its hash; return key and sha256. Safe to repeat.

    Raises ArtifactRefused: not of its format, or with values that are not finite.
    """
    check_values(body, artifact_format)
    sha256 = hashlib.sha256(body).hexdigest()
    key = f"models/{model}/{sha256}.{artifact_format}"
    store_once(key, sha256, io.BytesIO(body))
    return key, sha256


def sign(*, model: str, number: int, artifact_format: str, sha256: str) -> str:
    """Return the key ring's signature of an artifact."""
    return key_ring().sign(_signed_text(model, number, artifact_format, sha256), purpose=_PURPOSE)


def read_artifact(version: ModelVersion) -> bytes:
    """Return the verified bytes of a version. Raises ArtifactRefused with the reason."""
    if version.artifact_deleted_at:
        raise ArtifactRefused(
            f"{version}: the artifact was deleted on {version.artifact_deleted_at:%Y-%m-%d}"
        )
    try:
        with default_storage.open(version.artifact_key) as file:
            body: bytes = file.read()
    except OSError as error:
        raise ArtifactRefused(f"{version}: no artifact ({type(error).__name__})") from None
    if len(body) != version.size_bytes:
        raise ArtifactRefused(
            f"{version}: the artifact has {len(body)} bytes instead of {version.size_bytes}"
        )
    if hashlib.sha256(body).hexdigest() != version.sha256:
        raise ArtifactRefused(f"{version}: the artifact does not have the sha256 of its row")
    signed = _signed_text(version.model, version.number, version.artifact_format, version.sha256)
    if not key_ring().has_signed(signed, version.signature, purpose=_PURPOSE):
        raise ArtifactRefused(f"{version}: the signature is not one of the key ring")
    return body


def check_values(body: bytes, artifact_format: ArtifactFormat) -> None:
    """Raise ArtifactRefused unless the bytes are of this format with finite values only."""
    try:
        not_finite = [
            name
            for name, values in _CHECKED[artifact_format](body)
            if not np.isfinite(values).all()
        ]
    # Each reader raises different errors for damaged files.
    except Exception as error:
        raise ArtifactRefused(
            f"the artifact is not valid {artifact_format} ({type(error).__name__})"
        ) from None
    if not_finite:
        raise ArtifactRefused(f"{not_finite[0]}: has values that are not finite (NaN or infinite)")


def _signed_text(model: str, number: int, artifact_format: str, sha256: str) -> bytes:
    return json.dumps([model, number, artifact_format, sha256]).encode()


_Arrays = Iterable[tuple[str, Any]]


def _npz(body: bytes) -> _Arrays:
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        for name in arrays.files:
            if arrays[name].dtype.kind in "fc":
                yield name, arrays[name]


def _safetensors(body: bytes) -> _Arrays:
    (header_size,) = struct.unpack("<Q", body[:8])
    data = memoryview(body)[8 + header_size :]
    header = json.loads(body[8 : 8 + header_size])
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        start, end = entry["data_offsets"]
        if end > len(data):
            raise ValueError("truncated")
        if entry["dtype"] in _SAFETENSORS_FLOATS:
            yield name, np.frombuffer(data[start:end], _SAFETENSORS_FLOATS[entry["dtype"]])
        elif entry["dtype"] == "BF16":
            halves = np.frombuffer(data[start:end], np.uint16).astype(np.uint32)
            yield name, (halves << 16).view(np.float32)


def _onnx(body: bytes) -> _Arrays:
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(body)
    onnx.checker.check_model(model)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype.kind == "f":
            yield tensor.name, values


def _lightgbm(body: bytes) -> _Arrays:
    text = body.decode()
    if not text.startswith(_LIGHTGBM_START) or "end of trees" not in text:
        raise ValueError("not a complete model")
    for line in text.splitlines():
        name, separator, values = line.partition("=")
        if separator and name in _LIGHTGBM_NUMBERS and values:
            numbers = np.array(values.split(), dtype=np.float64)
            # A split by whether a value is missing has an infinite threshold.
            yield name, numbers[np.isnan(numbers)] if name == "threshold" else numbers


def _json(body: bytes) -> _Arrays:
    # Python reads NaN and Infinity in JSON, and as large numbers.
    leaves = list(_json_leaves(json.loads(body)))
    numbers = [leaf for leaf in leaves if isinstance(leaf, float)]
    yield "numbers", np.array([number for number in numbers if not math.isfinite(number)])
    # A document may contain several LightGBM models.
    for leaf in leaves:
        if isinstance(leaf, str) and leaf.startswith(_LIGHTGBM_START):
            yield from _lightgbm(leaf.encode())


def _json_leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _json_leaves(item)
    else:
        yield value


_CHECKED: dict[ArtifactFormat, Callable[[bytes], _Arrays]] = {
    "json": _json,
    "lightgbm": _lightgbm,
    "npz": _npz,
    "onnx": _onnx,
    "safetensors": _safetensors,
}
