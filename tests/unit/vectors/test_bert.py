"""Graphs of sentence encoders: made without torch, equal to torch, others are refused."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from django.core.management import CommandError, call_command

from tests.samples.bert import make_tiny_bert
from vectors.encoders.bert import UnsupportedModel, build_model
from vectors.encoders.text import NAME

_IDS = np.array([[2, 3, 4, 5], [6, 7, 8, 0], [9, 0, 0, 0]], np.int64)
_MASK = (_IDS > 0).astype(np.int64)


def _sentences(folder: Path) -> Any:
    """Return the vectors (3, 32) of the graph of a folder."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(build_model(folder).SerializeToString(), options)
    return session.run(None, {"input_ids": _IDS, "attention_mask": _MASK})[0]


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.parametrize("model_type", ["bert", "roberta", "xlm-roberta"])
def test_graph_agrees_with_torch(tmp_path: Path, model_type: str) -> None:
    import torch
    from transformers import AutoModel

    make_tiny_bert(tmp_path, model_type=model_type)
    model = AutoModel.from_pretrained(tmp_path, attn_implementation="eager").eval()
    mask = torch.from_numpy(_MASK)
    with torch.no_grad():
        hidden = model(input_ids=torch.from_numpy(_IDS), attention_mask=mask).last_hidden_state
        mean = (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
        expected = torch.nn.functional.normalize(mean, dim=1).numpy()

    assert np.allclose(_sentences(tmp_path), expected, atol=1e-5)


def test_padding_does_not_change_a_vector(tmp_path: Path) -> None:
    make_tiny_bert(tmp_path)

    session = onnxruntime.InferenceSession(build_model(tmp_path).SerializeToString())
    alone = session.run(None, {"input_ids": _IDS[2:, :1], "attention_mask": _MASK[2:, :1]})[0]

    assert np.allclose(_sentences(tmp_path)[2], alone[0], atol=1e-6)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model_type": "mpnet"}, "model_type is mpnet"),
        ({"hidden_act": "relu"}, "hidden_act is relu"),
        ({"position_embedding_type": "relative_key"}, "Relative position"),
    ],
)
def test_other_architectures_are_refused(
    tmp_path: Path, config: dict[str, str], reason: str
) -> None:
    make_tiny_bert(tmp_path, **config)

    with pytest.raises(UnsupportedModel, match=reason):
        build_model(tmp_path)


def test_fetch_command_installs_a_folder_and_names_an_unsupported_model(
    settings: Any, tmp_path: Path
) -> None:
    settings.MODELS_DIR = tmp_path / "models"
    make_tiny_bert(tmp_path / "tiny")
    make_tiny_bert(tmp_path / "other", model_type="mpnet")

    call_command("fetch_models", only="text", text=str(tmp_path / "tiny"))
    with pytest.raises(CommandError, match=r"Exporting other failed: model_type is mpnet"):
        call_command("fetch_models", only="text", text=str(tmp_path / "other"))

    assert (settings.MODELS_DIR / "tiny" / "model.onnx").is_file()
    assert not (settings.MODELS_DIR / "other").exists()


def test_graph_with_another_hash_than_the_pinned_one_is_not_installed(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MODELS_DIR = tmp_path / "models"
    make_tiny_bert(tmp_path / "tiny")
    monkeypatch.setattr(
        "vectors.management.commands.fetch_models.fetch_reference", lambda _: tmp_path / "tiny"
    )

    with pytest.raises(CommandError, match="does not match the pinned hash"):
        call_command("fetch_models", only="text", text=NAME)

    assert not (settings.MODELS_DIR / NAME).exists()


def test_image_model_without_torch_is_refused_with_the_command_that_installs_it(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MODELS_DIR = tmp_path / "models"
    monkeypatch.setattr("vectors.management.commands.fetch_models.find_spec", lambda _: None)

    with pytest.raises(CommandError, match="bin/train --install"):
        call_command("fetch_models", only="image", image="some/clip")
