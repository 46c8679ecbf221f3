"""Import of strains by operators, and the effects model."""

import json
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from catalog import effects
from catalog.effects import CARD, WEIGHTS, installed_effects_model, load, predict_effects
from catalog.effects_training import MIN_STRAINS, TooFewStrains, save, train
from catalog.ingest.strains import clear_strain_cache, known_strains, strain_names
from catalog.models import ImportedStrain
from catalog.reference.strains import Strain, strains

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    clear_strain_cache()
    installed_effects_model.cache_clear()


def _file(folder: Path, *lines: object) -> str:
    file = folder / "strains.jsonl"
    file.write_text(
        "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    )
    return str(file)


def test_import_adds_strains_and_does_not_override_the_reference_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new_strain = {
        "name": "Moose Jaw Haze",
        "type": "sativa",
        "parents": ["Haze", "Skunk #1"],
        "terpenes_pct": {"Limonene": 1},
    }
    known = {"name": "Blue Dream", "parents": ["Wrong", "Parents"], "effects": ["happy"]}
    file = _file(
        tmp_path, new_strain, known, "no json", {"name": ""}, {"name": "X", "parents": "none"}
    )
    call_command("import_strains", file)

    assert ImportedStrain.objects.count() == 2

    errors = capsys.readouterr().err.splitlines()

    assert [line.split(":")[0] for line in errors] == ["line 3", "line 4", "line 5"]

    match = strain_names().find("Moose Jaw Haze Pre-Roll")

    assert match is not None
    assert (match.strain.terpenes, match.strain.strain_type) == (("limonene",), "sativa")
    assert known_strains()["bluedream"].parents == strains()["bluedream"].parents

    before = ImportedStrain.objects.get(key="moosejawhaze").imported_at
    call_command("import_strains", file)

    assert ImportedStrain.objects.get(key="moosejawhaze").imported_at == before


def test_dry_run_of_import_writes_nothing_and_unreadable_file_is_reported(tmp_path: Path) -> None:
    call_command("import_strains", _file(tmp_path, {"name": "Moose Jaw Haze"}), "--dry-run")

    assert not ImportedStrain.objects.exists()
    with pytest.raises(CommandError, match="cannot be read") as refused:
        call_command("import_strains", str(tmp_path / "none.jsonl"))
    assert refused.value.returncode == 2


def _strains(count: int) -> list[Strain]:
    """Return strains: indicas are sleepy, strains with limonene focused, all of them happy."""
    strains_made = []
    for number in range(count):
        strain_type = ("indica", "sativa")[number % 2]
        terpene = ("myrcene", "limonene")[number // 2 % 2]
        by_type = "sleepy" if strain_type == "indica" else "energetic"
        by_terpene = "focused" if terpene == "limonene" else "hungry"
        strains_made.append(
            Strain(
                key=f"s{number}",
                name=f"S {number}",
                strain_type=strain_type,
                terpenes=(terpene,),
                effects=("happy", by_type, by_terpene),
            )
        )
    return strains_made


@pytest.mark.slow
def test_model_beats_the_baselines_and_predicts_nothing_without_valid_files(
    tmp_path: Path, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = train(_strains(200))
    ranking = trained.evaluation.ranking

    assert ranking["model"] > ranking["most common of type"]
    assert ranking["most common of type"] > ranking["most common"]
    assert trained.evaluation.gain[0] > 0

    save(trained, tmp_path / effects.FOLDER, source="test")
    strain = Strain(key="new", name="New", strain_type="indica", terpenes=("limonene",))
    loaded = load(tmp_path / effects.FOLDER)

    assert np.allclose(loaded.probabilities(strain), trained.model.probabilities(strain))

    monkeypatch.setattr(effects, "settings", type("S", (), {"MODELS_DIR": tmp_path}))

    assert set(predict_effects(strain)) == {"happy", "sleepy", "focused"}
    assert predict_effects(Strain(key="bare", name="Bare")) == ()

    (tmp_path / effects.FOLDER / WEIGHTS).write_bytes(b"altered")
    installed_effects_model.cache_clear()

    assert predict_effects(strain) == ()

    (tmp_path / effects.FOLDER / CARD).unlink()
    installed_effects_model.cache_clear()

    assert predict_effects(strain) == ()


def test_training_on_too_few_strains_is_refused() -> None:
    with pytest.raises(TooFewStrains, match=f"{MIN_STRAINS} are required"):
        train(_strains(MIN_STRAINS - 1))
