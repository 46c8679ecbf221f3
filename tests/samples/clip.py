"""Tiny CLIP model with random weights, for real loading, export and serving."""

import subprocess
import sys
from pathlib import Path

from django.conf import settings


def make_tiny_clip(folder: Path) -> None:
    """Write a CLIP model as saved by `transformers`."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, "<|startoftext|>", "<|endoftext|>"]
    words = {word: index for index, word in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    start, end = words["<|startoftext|>"], words["<|endoftext|>"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|startoftext|> $A <|endoftext|>",
        special_tokens=[("<|startoftext|>", start), ("<|endoftext|>", end)],
    )
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call,unused-ignore]
        tokenizer_object=tokenizer,
        bos_token="<|startoftext|>",
        eos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
    ).save_pretrained(folder)
    common = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    text = common | {
        "vocab_size": len(words),
        "bos_token_id": start,
        "eos_token_id": end,
        "pad_token_id": end,
        "max_position_embeddings": 24,
    }
    torch.manual_seed(7)
    config = CLIPConfig(
        text_config=text,
        vision_config=common | {"image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(folder)


def export_clip(source: Path, target: Path) -> None:
    """Export the model in a separate process, as `manage.py fetch_models --image` does."""
    command = [sys.executable, "-m", "vectors.encoders.export_clip", str(source), str(target)]
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
