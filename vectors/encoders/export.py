"""
ONNX export of a sentence encoder from its reference weights, with int8 quantization.

Runs as a separate process, whose memory is free afterwards: python -m vectors.encoders.export
SOURCE TARGET.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from vectors.encoders.bert import UnsupportedModel, build_model
from vectors.encoders.text import FORM, MAX_TOKENS

# Largest absolute int8 weight. With 7 bits, the sum of two products fits the 16 bits in which AVX2
# adds them.
_MAX_WEIGHT = 63
# The value projections of attention lose most by rounding and are a twelfth of the work: they stay
# float32.
_UNQUANTIZED = "/value/"


def export(source: Path, target: Path) -> None:
    """
    Write model.onnx, tokenizer.json and manifest.json into `target`.

    source: a sentence-transformers folder. Raises UnsupportedModel.
    """
    import onnx

    model = build_model(source)
    _quantize(model.graph)
    onnx.save(model, str(target / "model.onnx"))
    (target / "tokenizer.json").write_bytes((source / "tokenizer.json").read_bytes())
    hashes = {
        name: hashlib.sha256((target / name).read_bytes()).hexdigest()
        for name in ("model.onnx", "tokenizer.json")
    }
    manifest = {
        "kind": "text",
        "form": FORM,
        "weights": hashlib.sha256((source / "model.safetensors").read_bytes()).hexdigest(),
        "tokens": _max_tokens(source),
        **hashes,
    }
    (target / "manifest.json").write_text(json.dumps(manifest))


def _max_tokens(source: Path) -> int:
    config = source / "sentence_bert_config.json"
    if not config.is_file():
        return MAX_TOKENS
    max_tokens: int = json.loads(config.read_text()).get("max_seq_length", MAX_TOKENS)
    return max_tokens


def _quantize(graph: Any) -> None:
    """
    Replace products with constant matrices by int8 products, in place.

    Each column of weights and each row (token) of activations has its own scale, so that a text
    does not depend on its neighbors in a batch.
    """
    from onnx import TensorProto, helper, numpy_helper

    make_node = helper.make_node
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[Any] = []
    quantized_rows: set[str] = set()

    def add_constant(name: str, value: Any, kind: Any = np.float32) -> None:
        graph.initializer.append(numpy_helper.from_array(np.asarray(value, kind), name))

    add_constant("row_max", 127)
    add_constant("row_min_size", 1e-9)
    add_constant("row_step", 1)
    add_constant("row_zero", 128, np.uint8)
    add_constant("column_zero", 0, np.int8)
    for node in graph.node:
        is_quantizable = (
            node.op_type == "MatMul"
            and node.input[1] in constants
            and _UNQUANTIZED not in node.name
        )
        if not is_quantizable:
            nodes.append(node)
            continue
        x, matrix = node.input
        y = node.output[0]
        if x not in quantized_rows:
            quantized_rows.add(x)
            nodes += [
                make_node("Abs", [x], [f"{x}:size"]),
                make_node("ReduceMax", [f"{x}:size"], [f"{x}:largest"], axes=[-1], keepdims=1),
                make_node("Max", [f"{x}:largest", "row_min_size"], [f"{x}:bound"]),
                make_node("Div", [f"{x}:bound", "row_max"], [f"{x}:scale"]),
                make_node("Div", [x, f"{x}:scale"], [f"{x}:scaled"]),
                make_node(
                    "QuantizeLinear", [f"{x}:scaled", "row_step", "row_zero"], [f"{x}:integers"]
                ),
            ]
        weights = numpy_helper.to_array(constants[matrix])
        scale = np.maximum(np.abs(weights).max(axis=0), 1e-9) / _MAX_WEIGHT
        add_constant(f"{y}:weights", np.rint(weights / scale), np.int8)
        add_constant(f"{y}:scale", scale)
        nodes += [
            make_node(
                "MatMulInteger",
                [f"{x}:integers", f"{y}:weights", "row_zero", "column_zero"],
                [f"{y}:sums"],
            ),
            make_node("Cast", [f"{y}:sums"], [f"{y}:floats"], to=TensorProto.FLOAT),
            make_node("Mul", [f"{y}:floats", f"{y}:scale"], [f"{y}:columns"]),
            make_node("Mul", [f"{y}:columns", f"{x}:scale"], [y]),
        ]
    used_names = {name for node in nodes for name in node.input}
    initializers = [tensor for tensor in graph.initializer if tensor.name in used_names]
    for field in (graph.node, graph.initializer):
        del field[:]
    graph.node.extend(nodes)
    graph.initializer.extend(initializers)


if __name__ == "__main__":
    try:
        export(Path(sys.argv[1]), Path(sys.argv[2]))
    except UnsupportedModel as error:
        raise SystemExit(str(error)) from None
