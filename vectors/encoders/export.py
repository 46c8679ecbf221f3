"""Makes the served graph from the reference weights; the only place of serving that needs torch."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from vectors.encoders.text import FORM

MOST_TOKENS = 256
# With 7 bits a pair of products fits the 16 bits in which AVX2 adds it.
_TOP = 63
# What attention hands on loses most by being rounded, and is a twelfth of the work.
_EXACT = "/value/"


def export(source: Path, target: Path) -> None:
    """Write model.onnx, tokenizer.json and manifest.json for the sentence-transformers folder `source`."""
    import onnx
    import torch
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions
    from transformers import AutoModel

    class Sentence(torch.nn.Module):
        """Transformer, mean over the tokens that are there, unit length."""

        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            hidden = self.model(
                input_ids=input_ids, attention_mask=attention_mask
            ).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, dim=1)

    model = AutoModel.from_pretrained(source, local_files_only=True, attn_implementation="eager")
    model.eval()
    example = torch.ones(2, 8, dtype=torch.int64)
    axes = {0: "batch", 1: "tokens"}
    exact = target / "exact.onnx"
    fusions = FusionOptions("bert")
    # Fused into one node, the products inside attention could not be quantized row by row.
    fusions.use_multi_head_attention = True
    torch.onnx.export(
        Sentence(model),
        (example, example),
        str(exact),
        dynamo=False,
        opset_version=17,
        input_names=["input_ids", "attention_mask"],
        output_names=["sentence"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "sentence": {0: "batch"}},
    )
    fused = optimizer.optimize_model(
        str(exact),
        "bert",
        num_heads=model.config.num_attention_heads,
        hidden_size=model.config.hidden_size,
        optimization_options=fusions,
        opt_level=0,
    ).model
    _quantize(fused.graph)
    onnx.save(fused, str(target / "model.onnx"))
    exact.unlink()
    (target / "tokenizer.json").write_bytes((source / "tokenizer.json").read_bytes())
    weights = hashlib.sha256((source / "model.safetensors").read_bytes()).hexdigest()
    hashes = {
        n: hashlib.sha256((target / n).read_bytes()).hexdigest()
        for n in ("model.onnx", "tokenizer.json")
    }
    told = source / "sentence_bert_config.json"
    tokens = (
        json.loads(told.read_text()).get("max_seq_length", MOST_TOKENS)
        if told.is_file()
        else MOST_TOKENS
    )
    manifest = {"kind": "text", "form": FORM, "weights": weights, "tokens": tokens, **hashes}
    (target / "manifest.json").write_text(json.dumps(manifest))


def _quantize(graph: Any) -> None:
    """
    Multiply by constant matrices in integers: a scale for each column of weights and each row (token) of activations.

    A token's scale is its own, so that no text depends on its neighbors in a batch.
    """
    from onnx import TensorProto, helper, numpy_helper

    make = helper.make_node
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[Any] = []
    rows: set[str] = set()

    def constant(name: str, value: Any, kind: Any = np.float32) -> None:
        graph.initializer.append(numpy_helper.from_array(np.asarray(value, kind), name))

    constant("row_top", 127)
    constant("row_least", 1e-9)
    constant("row_step", 1)
    constant("row_zero", 128, np.uint8)
    constant("column_zero", 0, np.int8)
    for node in graph.node:
        if node.op_type != "MatMul" or node.input[1] not in constants or _EXACT in node.name:
            nodes.append(node)
            continue
        (x, matrix), y = node.input, node.output[0]
        if x not in rows:
            rows.add(x)
            nodes += [
                make("Abs", [x], [f"{x}:size"]),
                make("ReduceMax", [f"{x}:size"], [f"{x}:largest"], axes=[-1], keepdims=1),
                make("Max", [f"{x}:largest", "row_least"], [f"{x}:most"]),
                make("Div", [f"{x}:most", "row_top"], [f"{x}:scale"]),
                make("Div", [x, f"{x}:scale"], [f"{x}:scaled"]),
                make("QuantizeLinear", [f"{x}:scaled", "row_step", "row_zero"], [f"{x}:integers"]),
            ]
        weights = numpy_helper.to_array(constants[matrix])
        scale = np.maximum(np.abs(weights).max(axis=0), 1e-9) / _TOP
        constant(f"{y}:weights", np.rint(weights / scale), np.int8)
        constant(f"{y}:scale", scale)
        nodes += [
            make(
                "MatMulInteger",
                [f"{x}:integers", f"{y}:weights", "row_zero", "column_zero"],
                [f"{y}:sums"],
            ),
            make("Cast", [f"{y}:sums"], [f"{y}:floats"], to=TensorProto.FLOAT),
            make("Mul", [f"{y}:floats", f"{y}:scale"], [f"{y}:columns"]),
            make("Mul", [f"{y}:columns", f"{x}:scale"], [y]),
        ]
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    # Shapes torch inferred do not hold for the new nodes; the runtime infers its own.
    for field in (graph.node, graph.initializer, graph.value_info):
        del field[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
