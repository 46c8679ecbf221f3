"""Artifacts: damaged and not finite ones are refused in every format."""

import io
import json
import struct

import numpy as np
import onnx
import pytest
from safetensors.numpy import save as save_safetensors

from mlops.registry import ArtifactFormat, ArtifactRefused
from mlops.registry.artifacts import FORMATS, check_values

_LIGHTGBM = "tree\nversion=v4\n\nTree=0\nthreshold=0.5\nleaf_value=0.1 {leaf}\n\nend of trees\n"


def _npz(value: float) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, weights=np.array([1.0, value]))
    return buffer.getvalue()


def _onnx(value: float) -> bytes:
    tensor = onnx.numpy_helper.from_array(np.array([1.0, value], dtype=np.float32), "weights")
    node = onnx.helper.make_node("Add", ["x", "weights"], ["y"])
    shape = (onnx.TensorProto.FLOAT, [2])
    graph = onnx.helper.make_graph(
        [node],
        "sum",
        [onnx.helper.make_tensor_value_info("x", *shape)],
        [onnx.helper.make_tensor_value_info("y", *shape)],
        [tensor],
    )
    return bytes(onnx.helper.make_model(graph).SerializeToString())


def _body(artifact_format: ArtifactFormat, value: float) -> bytes:
    if artifact_format == "npz":
        return _npz(value)
    if artifact_format == "safetensors":
        return bytes(save_safetensors({"weights": np.array([1.0, value], dtype=np.float32)}))
    if artifact_format == "onnx":
        return _onnx(value)
    if artifact_format == "lightgbm":
        return _LIGHTGBM.format(leaf=value).encode()
    return json.dumps({"trees": [[1.0, value]]}).encode()


@pytest.mark.parametrize("artifact_format", FORMATS)
def test_finite_artifact_passes(artifact_format: ArtifactFormat) -> None:
    check_values(_body(artifact_format, 2.0), artifact_format)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("artifact_format", FORMATS)
def test_value_that_is_not_finite_is_refused(artifact_format: ArtifactFormat, value: float) -> None:
    with pytest.raises(ArtifactRefused, match="not finite"):
        check_values(_body(artifact_format, value), artifact_format)


@pytest.mark.parametrize("artifact_format", FORMATS)
def test_truncated_artifact_is_refused(artifact_format: ArtifactFormat) -> None:
    body = _body(artifact_format, 2.0)

    with pytest.raises(ArtifactRefused, match="not valid"):
        check_values(body[: len(body) * 3 // 4], artifact_format)


@pytest.mark.parametrize("artifact_format", FORMATS)
def test_bytes_of_no_format_are_refused(artifact_format: ArtifactFormat) -> None:
    with pytest.raises(ArtifactRefused, match="not valid"):
        check_values(b"not a model", artifact_format)


def test_half_precision_of_brains_is_read() -> None:
    header = json.dumps({"w": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    body = struct.pack("<Q", len(header)) + header + struct.pack("<H", 0x7FC0)  # NaN

    with pytest.raises(ArtifactRefused, match="not finite"):
        check_values(body, "safetensors")


def test_array_of_objects_is_refused_without_running_it() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, weights=np.array([{"a": 1}], dtype=object))

    with pytest.raises(ArtifactRefused, match="not valid"):
        check_values(buffer.getvalue(), "npz")
