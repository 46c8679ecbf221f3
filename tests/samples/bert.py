"""Tiny sentence encoders with random weights, in the format of sentence-transformers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

_WORDS = ["<pad>", "<unk>", "pink", "kush", "flower", "indica", "jar", "of", "green", "gummies"]
_WIDTH, _INNER, _LAYERS, _HEADS, _POSITIONS = 32, 64, 2, 4, 40


def make_tiny_bert(folder: Path, **config: Any) -> None:
    """Write a BERT, or the model of the given `model_type`, with a tokenizer of ten words."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20261129)

    def random(*shape: int) -> Any:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    def dense(name: str, inputs: int, outputs: int) -> dict[str, Any]:
        return {f"{name}.weight": random(outputs, inputs), f"{name}.bias": random(outputs)}

    def norm(name: str) -> dict[str, Any]:
        return {f"{name}.weight": 1 + random(_WIDTH), f"{name}.bias": random(_WIDTH)}

    weights = {
        "embeddings.word_embeddings.weight": random(len(_WORDS), _WIDTH),
        "embeddings.position_embeddings.weight": random(_POSITIONS, _WIDTH),
        "embeddings.token_type_embeddings.weight": random(2, _WIDTH),
        **norm("embeddings.LayerNorm"),
    }
    for number in range(_LAYERS):
        layer = f"encoder.layer.{number}"
        for part in ("query", "key", "value"):
            weights |= dense(f"{layer}.attention.self.{part}", _WIDTH, _WIDTH)
        weights |= dense(f"{layer}.attention.output.dense", _WIDTH, _WIDTH)
        weights |= norm(f"{layer}.attention.output.LayerNorm")
        weights |= dense(f"{layer}.intermediate.dense", _WIDTH, _INNER)
        weights |= dense(f"{layer}.output.dense", _INNER, _WIDTH)
        weights |= norm(f"{layer}.output.LayerNorm")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    sizes = {
        "model_type": "bert",
        "vocab_size": len(_WORDS),
        "hidden_size": _WIDTH,
        "intermediate_size": _INNER,
        "num_hidden_layers": _LAYERS,
        "num_attention_heads": _HEADS,
        "max_position_embeddings": _POSITIONS,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(sizes | config))
    words = {word: index for index, word in enumerate(_WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocab=words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
