"""The commands of matching: pairs of a file, and the model that ships."""

import hashlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from catalog.matching import MATCH_MODEL_FOLDER, MatchModelUnreadable, load
from catalog.matching.model import CARD, TREES

PAIRS = MATCH_MODEL_FOLDER / "pairs.jsonl"
_PEACH = {"name": "Peach Gummies 100mg", "brand": "Cultivar Hills", "category": "edibles"}


def _output(file: Path, **options: str) -> list[dict[str, object]]:
    out = io.StringIO()
    call_command("match_pairs", str(file), stdout=out, **options)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_pairs_get_band_score_and_reasons(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    other = {**_PEACH, "name": "Peach Gummies 50mg"}
    pairs = [{"id": "1", "a": _PEACH, "b": _PEACH}, {"id": 2, "a": _PEACH, "b": other}]
    file.write_text("\n".join(map(json.dumps, pairs)), encoding="utf-8")

    same, different = _output(file)

    assert (same["id"], same["band"]) == ("1", "same")
    assert different == {"id": 2, "band": "different", "score": 0.0, "reasons": ["other dose"]}
    assert _output(file, language="fr")[1]["reasons"] == ["autre dose"]


def test_product_lines_are_learned_from_all_pairs_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    plain = {"name": "Blue Dream 1g", "brand": "Cultivar Hills", "category": "vapes", "price": 30}
    pair = {"id": "1", "a": plain, "b": {**plain, "name": "Fresquita Blue Dream 1g"}}
    others = [
        {"id": name, "a": {**plain, "name": name}, "b": {**plain, "name": f"Fresquita {name}"}}
        for name in ("Snoogans 1g", "Ice Wata 1g", "Apple Drip 1g")
    ]
    bands = []
    for pairs in ([pair], [pair, *others]):
        file.write_text("\n".join(map(json.dumps, pairs)), encoding="utf-8")
        bands.append(_output(file)[0]["band"])

    assert bands == ["ask", "same"]


def test_product_lines_of_a_list_of_products_are_printed(tmp_path: Path) -> None:
    file = tmp_path / "products.jsonl"
    names = ("Fresquita Snoogans", "Fresquita Ice Wata", "Fresquita Apple Drip", "Ice Wata")
    lines = [json.dumps({"name": name, "brand": "Cultivar Hills"}) for name in names]
    file.write_text("\n".join(lines), encoding="utf-8")
    out = io.StringIO()

    call_command("learn_product_lines", str(file), min_names=3, stdout=out)

    assert out.getvalue() == "brand,words\nCultivar Hills,fresquita\n"


def test_list_with_a_line_that_is_no_product_ends_with_code_2(tmp_path: Path) -> None:
    file = tmp_path / "products.jsonl"
    file.write_text('{"name": "x"}\n{"brand": "y"}\n', encoding="utf-8")

    with pytest.raises(CommandError, match=r"line 2: product\.name: is missing") as caught:
        call_command("learn_product_lines", str(file))

    assert caught.value.returncode == 2


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("peach", "not JSON: Expecting value at column 1"),
        ("[1]", "not a JSON object"),
        ('{"a": {}}', "id: expected text or a whole number"),
        ('{"id": 1, "a": {"name": " "}, "b": {"name": "x"}}', "a.name: is missing"),
        ('{"id": 1, "a": {"name": "x"}}', "b: expected an object"),
        ('{"id": 1, "a": {"name": "x", "size": 3}, "b": {}}', "a.size: expected text"),
        ('{"id": 1, "a": {"name": "x", "price": []}, "b": {}}', "a.price: expected a number"),
    ],
)
def test_line_that_is_no_pair_is_reported_and_the_others_are_compared(
    tmp_path: Path, line: str, error: str
) -> None:
    file = tmp_path / "pairs.jsonl"
    pair = json.dumps({"id": 9, "a": _PEACH, "b": _PEACH})
    file.write_text(f"{line}\n\n{pair}\n", encoding="utf-8")

    rejected, compared = _output(file)

    assert (rejected["line"], rejected["error"]) == (1, error)
    assert compared["id"] == 9


def test_unreadable_file_ends_with_code_2(tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("match_pairs", str(tmp_path / "missing.jsonl"))

    assert caught.value.returncode == 2


def test_model_that_ships_was_trained_on_the_labeled_pairs_and_accepted() -> None:
    card = json.loads((MATCH_MODEL_FOLDER / CARD).read_text(encoding="utf-8"))

    assert card["data_sha256"] == hashlib.sha256(PAIRS.read_bytes()).hexdigest()
    assert card["is_accepted"] is True


def test_trees_without_the_hash_of_the_card_are_refused(tmp_path: Path) -> None:
    shutil.copytree(MATCH_MODEL_FOLDER, tmp_path / "model")
    trees = tmp_path / "model" / TREES
    trees.write_bytes(trees.read_bytes() + b" ")

    with pytest.raises(MatchModelUnreadable, match="does not match the hash"):
        load(tmp_path / "model")


def test_matching_loads_no_model_library() -> None:
    code = (
        "import sys, catalog.matching;"
        "print(sorted({'sklearn', 'torch', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
