"""Makes the served graph from the reference weights; the only place of serving that needs torch."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

FORM = "onnx-int8-1"
MOST_TOKENS = 256


def export(source: Path, target: Path) -> None:
    """Write model.onnx, tokenizer.json and manifest.json for the sentence-transformers folder `source`."""
    import onnx
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import AutoModel

    class Sentence(torch.nn.Module):
        """Transformer, mean over the tokens that are there, unit length."""

        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, dim=1)

    model = AutoModel.from_pretrained(source, local_files_only=True, attn_implementation="eager")
    model.eval()
    example = torch.ones(2, 8, dtype=torch.int64)
    axes = {0: "batch", 1: "tokens"}
    exact = target / "exact.onnx"
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
    # Shapes torch inferred confuse the quantizer; it infers its own.
    graph = onnx.load(str(exact))
    del graph.graph.value_info[:]
    onnx.save(graph, str(exact))
    quantize_dynamic(exact, target / "model.onnx", weight_type=QuantType.QInt8, per_channel=True)
    exact.unlink()
    (target / "tokenizer.json").write_bytes((source / "tokenizer.json").read_bytes())
    weights = hashlib.sha256((source / "model.safetensors").read_bytes()).hexdigest()
    hashes = {n: hashlib.sha256((target / n).read_bytes()).hexdigest() for n in ("model.onnx", "tokenizer.json")}
    told = source / "sentence_bert_config.json"
    tokens = json.loads(told.read_text()).get("max_seq_length", MOST_TOKENS) if told.is_file() else MOST_TOKENS
    manifest = {"kind": "text", "form": FORM, "weights": weights, "tokens": tokens, **hashes}
    (target / "manifest.json").write_text(json.dumps(manifest))


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
