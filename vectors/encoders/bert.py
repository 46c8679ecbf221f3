"""
ONNX graph of a BERT sentence encoder from its weights: transformer, mean pooling, normalization.

The graph is written node by node with the fused operators of onnxruntime, without torch: the same
weights give the same bytes everywhere.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vectors.encoders.base import Vectors

MODEL_TYPES = ("bert", "roberta", "xlm-roberta")
_FUSED = "com.microsoft"
_OPSET = 17
_IR_VERSION = 8
# Bounds of torch.nn.functional.normalize and of the mean in sentence-transformers.
_MIN_LENGTH = 1e-12
_MIN_TOKENS = 1e-9


class UnsupportedModel(ValueError):
    """The architecture of a model is not one of those that the graph can express."""


class _Graph:
    """Nodes and constants of a graph under construction, with the weights that it is made of."""

    def __init__(self, weights: Mapping[str, Vectors], config: Mapping[str, Any]) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.weights = weights
        self.config = config

    def add(
        self,
        operator: str,
        inputs: Sequence[str],
        outputs: str | Sequence[str],
        *,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Append a node that is named like its first output; return that name."""
        from onnx import helper

        names = [outputs] if isinstance(outputs, str) else list(outputs)
        self.nodes.append(
            helper.make_node(operator, inputs, names, name=names[0], domain=domain, **attributes)
        )
        return names[0]

    def constant(self, name: str, value: Any, kind: Any = np.float32) -> str:
        """Append a constant and return its name."""
        from onnx import numpy_helper

        array = np.ascontiguousarray(np.asarray(value, kind))
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def weight(self, name: str) -> str:
        """Append a weight as a constant and return its name."""
        return self.constant(name, self.weights[name])

    def product(self, name: str, rows: str) -> str:
        """Append the product of rows with a dense layer's matrix, without its bias."""
        matrix = self.constant(f"{name}.weight", self.weights[f"{name}.weight"].T)
        return self.add("MatMul", [rows, matrix], f"{name.replace('.', '/')}/product")

    @property
    def epsilon(self) -> float:
        """Smallest variance in layer normalization."""
        return float(self.config.get("layer_norm_eps", 1e-12))


def build_model(folder: Path) -> Any:
    """
    Return the float32 ONNX model of a sentence-transformers folder.

    Inputs `input_ids` and `attention_mask`: int64 (batch, tokens), padded on the right. Output
    `sentence`: float32 (batch, d), unit rows. Raises UnsupportedModel.
    """
    from onnx import TensorProto, helper
    from safetensors.numpy import load_file

    config = json.loads((folder / "config.json").read_text())
    _refuse_unsupported(config)
    graph = _Graph(_without_prefix(load_file(folder / "model.safetensors")), config)
    hidden, lengths = _embed(graph)
    for number in range(int(config["num_hidden_layers"])):
        hidden = _add_layer(graph, number, hidden, lengths)
    _pool(graph, hidden)
    tokens: list[str | int | None] = ["batch", "tokens"]
    rows: list[str | int | None] = ["batch", int(config["hidden_size"])]
    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            "sentence_encoder",
            [
                helper.make_tensor_value_info(name, TensorProto.INT64, tokens)
                for name in ("input_ids", "attention_mask")
            ],
            [helper.make_tensor_value_info("sentence", TensorProto.FLOAT, rows)],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(_FUSED, 1)],
        ir_version=_IR_VERSION,
        producer_name="cultivar",
    )


def _refuse_unsupported(config: Mapping[str, Any]) -> None:
    kind = config.get("model_type", "")
    if kind not in MODEL_TYPES:
        raise UnsupportedModel(
            f"model_type is {kind or 'missing'}; supported are {', '.join(MODEL_TYPES)}."
        )
    if config.get("hidden_act", "gelu") != "gelu":
        raise UnsupportedModel(f"hidden_act is {config['hidden_act']}; gelu alone is supported.")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise UnsupportedModel("Relative position embeddings are not supported.")


def _without_prefix(weights: Mapping[str, Vectors]) -> dict[str, Vectors]:
    """Return the weights by the names that they have inside the transformer."""
    prefixes = ("model.", "bert.", "roberta.")
    return {
        next((name.removeprefix(p) for p in prefixes if name.startswith(p)), name): value
        for name, value in weights.items()
    }


def _embed(graph: _Graph) -> tuple[str, str]:
    """Add the embeddings; return the names of the hidden states and of the texts' lengths."""
    from onnx import TensorProto, numpy_helper

    prefix = "embeddings."
    positions = graph.weights[prefix + "position_embeddings.weight"]
    if graph.config["model_type"] != "bert":
        # RoBERTa counts the positions from behind the index of its padding.
        positions = positions[int(graph.config["pad_token_id"]) + 1 :]
    ids = graph.add("Cast", ["input_ids"], "ids", to=TensorProto.INT32)
    mask = graph.add("Cast", ["attention_mask"], "mask", to=TensorProto.INT32)
    shape = graph.add("Shape", ["input_ids"], "shape")
    zero = numpy_helper.from_array(np.zeros(1, np.int32))
    segments = graph.add("ConstantOfShape", [shape], "segments", value=zero)
    constants = [
        graph.weight(prefix + "word_embeddings.weight"),
        graph.constant(prefix + "positions", positions),
        graph.weight(prefix + "token_type_embeddings.weight"),
        graph.weight(prefix + "LayerNorm.weight"),
        graph.weight(prefix + "LayerNorm.bias"),
    ]
    outputs = "embeddings/output", "embeddings/lengths"
    graph.add(
        "EmbedLayerNormalization",
        [ids, segments, *constants, mask],
        outputs,
        domain=_FUSED,
        epsilon=graph.epsilon,
    )
    return outputs


def _add_layer(graph: _Graph, number: int, hidden: str, lengths: str) -> str:
    """Add a transformer layer; return the name of its output."""
    prefix = f"encoder.layer.{number}."
    attention = prefix + "attention.self."
    parts = ("query", "key", "value")
    products = [graph.product(attention + part, hidden) for part in parts]
    biases = np.concatenate([graph.weights[f"{attention}{part}.bias"] for part in parts])
    attended = graph.add(
        "MultiHeadAttention",
        [*products, graph.constant(attention + "bias", biases), lengths],
        f"layer{number}/attention",
        domain=_FUSED,
        num_heads=int(graph.config["num_attention_heads"]),
    )
    hidden = _project(graph, prefix + "attention.output", attended, hidden)
    inner = graph.product(prefix + "intermediate.dense", hidden)
    activated = graph.add(
        "BiasGelu",
        [inner, graph.weight(prefix + "intermediate.dense.bias")],
        f"layer{number}/gelu",
        domain=_FUSED,
    )
    return _project(graph, prefix + "output", activated, hidden)


def _project(graph: _Graph, name: str, rows: str, residual: str) -> str:
    """Add a dense layer, a residual connection and layer normalization; return the output."""
    inputs = [
        graph.product(f"{name}.dense", rows),
        residual,
        graph.weight(f"{name}.LayerNorm.weight"),
        graph.weight(f"{name}.LayerNorm.bias"),
        graph.weight(f"{name}.dense.bias"),
    ]
    return graph.add(
        "SkipLayerNormalization",
        inputs,
        f"{name.replace('.', '/')}/normalized",
        domain=_FUSED,
        epsilon=graph.epsilon,
    )


def _pool(graph: _Graph, hidden: str) -> None:
    """Add the mean over the unmasked tokens, scaled to unit length."""
    from onnx import TensorProto

    token_axis = graph.constant("token_axis", [1], np.int64)
    last_axis = graph.constant("last_axis", [-1], np.int64)
    column = graph.add("Unsqueeze", ["attention_mask", last_axis], "mask/column")
    weights = graph.add("Cast", [column], "mask/weights", to=TensorProto.FLOAT)
    counts = graph.add("ReduceSum", [weights, token_axis], "mask/counts", keepdims=0)
    counts = graph.add("Max", [counts, graph.constant("min_tokens", _MIN_TOKENS)], "mask/tokens")
    weighted = graph.add("Mul", [hidden, weights], "pooling/weighted")
    sums = graph.add("ReduceSum", [weighted, token_axis], "pooling/sums", keepdims=0)
    mean = graph.add("Div", [sums, counts], "pooling/mean")
    length = graph.add("ReduceL2", [mean], "pooling/length", axes=[1], keepdims=1)
    length = graph.add("Max", [length, graph.constant("min_length", _MIN_LENGTH)], "pooling/bound")
    graph.add("Div", [mean, length], "sentence")
