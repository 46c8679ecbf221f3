"""
ONNX export of the text and image towers of a CLIP from its reference weights.

Runs as a separate process, since it needs torch: python -m vectors.encoders.export_clip SOURCE
TARGET.
"""

import json
import sys
from pathlib import Path
from typing import Any

from vectors.encoders.files import sha256

FORM = "clip-onnx-fp32-1"


def export(source: Path, target: Path) -> None:
    """
    Write text.onnx, image.onnx, tokenizer.json and manifest.json into `target`.

    source: a folder with a CLIP in the format of transformers.
    """
    import torch
    from transformers import AutoTokenizer, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    class TextTower(torch.nn.Module):
        """Text tower, projection, unit length."""

        def __init__(self, model: Any) -> None:
            super().__init__()
            self.tower = model.text_model
            self.projection = model.text_projection

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            """Return the text vectors (n, d)."""
            pooled = self.tower(input_ids=input_ids, attention_mask=attention_mask).pooler_output
            return torch.nn.functional.normalize(self.projection(pooled), dim=1)

    class ImageTower(torch.nn.Module):
        """Image tower, projection, unit length."""

        def __init__(self, model: Any) -> None:
            super().__init__()
            self.tower = model.vision_model
            self.projection = model.visual_projection

        def forward(self, pixel_values: Any) -> Any:
            """Return the image vectors (n, d)."""
            pooled = self.tower(pixel_values=pixel_values).pooler_output
            return torch.nn.functional.normalize(self.projection(pooled), dim=1)

    model = CLIPModel.from_pretrained(  # nosec B615  # local files only
        source, local_files_only=True, attn_implementation="eager"
    ).eval()  # type: ignore[no-untyped-call,unused-ignore]
    # Local files only.
    tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True)  # nosec B615  # see above
    processor = CLIPImageProcessorPil.from_pretrained(  # nosec B615  # see above
        source, local_files_only=True
    )
    side = int(processor.crop_size["height"])
    ids = torch.tensor(
        tokenizer(["a"] * 2, padding="max_length", max_length=8, truncation=True)["input_ids"]
    )
    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(
        TextTower(model),
        (ids, torch.ones_like(ids)),
        str(target / "text.onnx"),
        dynamo=False,
        opset_version=17,
        input_names=["input_ids", "attention_mask"],
        output_names=["rows"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "rows": {0: "batch"}},
    )
    torch.onnx.export(
        ImageTower(model),
        (torch.zeros(2, 3, side, side),),
        str(target / "image.onnx"),
        dynamo=False,
        opset_version=17,
        input_names=["pixel_values"],
        output_names=["rows"],
        dynamic_axes={"pixel_values": {0: "batch"}, "rows": {0: "batch"}},
    )
    tokenizer.backend_tokenizer.save(str(target / "tokenizer.json"))
    manifest = {
        "kind": "clip",
        "form": FORM,
        "weights": sha256(source / "model.safetensors"),
        "dimension": model.config.projection_dim,
        "tokens": model.config.text_config.max_position_embeddings,
        "pad": tokenizer.pad_token_id,
        "pad_token": tokenizer.pad_token,
        "image": {
            "edge": processor.size["shortest_edge"],
            "side": side,
            "mean": list(processor.image_mean),
            "std": list(processor.image_std),
        },
    }
    hashes = {name: sha256(target / name) for name in ("text.onnx", "image.onnx", "tokenizer.json")}
    (target / "manifest.json").write_text(json.dumps(manifest | hashes))


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
