"""Management commands of the catalogue: output, refusals and exit codes."""

import json
import threading
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from catalog.models import CatalogSource, MatchDecision, Product, SupplierListing
from tests.integration.locks import hold_lock_elsewhere
from tests.samples.suppliers.server import SampleSupplier

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sample_sources(supplier: SampleSupplier) -> SampleSupplier:
    """Point every built-in source at the sample supplier, and enable it."""
    for row in CatalogSource.objects.all():
        CatalogSource.objects.filter(pk=row.pk).update(
            base_url=f"{supplier.url}/{row.pk}", is_enabled=True
        )
    return supplier


def _refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as refused:
        call_command(*arguments)
    assert refused.value.returncode == 2
    return str(refused.value)


def test_sync_of_all_sources_and_dry_run_of_a_change(
    sample_sources: SampleSupplier, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("sync_catalog")
    output = capsys.readouterr().out

    assert all(code in output for code in ("ocs", "ocs-wholesale", "aglc", "sqdc"))

    sample_sources.aglc["Dried Flower"][0]["AdjustedPrice"] = "CAD $30.00"
    checksum = SupplierListing.objects.get(source="aglc", external_id="A000000").content_hash
    call_command("sync_catalog", "--source", "aglc", "--dry-run")
    output = capsys.readouterr().out

    assert "A000000 en" in output
    assert "30" in output
    assert (
        SupplierListing.objects.get(source="aglc", external_id="A000000").content_hash == checksum
    )


def test_dry_run_reports_what_would_stop_a_run(
    sample_sources: SampleSupplier, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("sync_catalog", "--source", "aglc")
    sample_sources.aglc["Dried Flower"] = sample_sources.aglc["Dried Flower"][:60]
    call_command("sync_catalog", "--source", "aglc", "--dry-run")

    assert "A run would stop: 60 of 120 listings" in " ".join(capsys.readouterr().out.split())
    assert "would be gone" in _refused("sync_catalog", "--source", "aglc")

    call_command("sync_catalog", "--source", "aglc", "--accept")

    assert SupplierListing.objects.exclude(gone_at=None).count() == 60


def test_sync_waits_for_a_concurrent_run(
    sample_sources: SampleSupplier, capsys: pytest.CaptureFixture[str]
) -> None:
    with hold_lock_elsewhere("source:aglc") as release:
        assert "Another run of aglc is in progress." in _refused(
            "sync_catalog", "--source", "aglc", "--wait", "0"
        )
        threading.Timer(1, release).start()
        call_command("sync_catalog", "--source", "aglc")
    assert (
        capsys.readouterr().err.count("Another run of aglc is in progress. Waiting for it ...") == 1
    )
    assert SupplierListing.objects.filter(source="aglc", gone_at=None).exists()


def test_sync_refuses_unknown_unmapped_and_disabled_sources() -> None:
    assert "known sources: aglc, ocs, ocs-wholesale, sqdc" in _refused(
        "sync_catalog", "--source", "unknown"
    )
    assert "1 or more" in _refused("sync_catalog", "--limit", "0")
    assert "No source is enabled" in _refused("sync_catalog")

    CatalogSource.objects.create(code="list", label="A list", kind="sheet", is_enabled=True)

    assert "columns are not mapped yet" in _refused("sync_catalog", "--source", "list")
    assert "above 0" in _refused("configure_source", "ocs", "--requests-per-second", "0")
    assert "private address" in _refused("configure_source", "ocs", "--base-url", "http://10.0.0.1")


@pytest.mark.slow
def test_matching_after_a_dry_run(
    sample_sources: SampleSupplier, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("sync_catalog")
    before = Product.objects.current().count()
    call_command("match_products", "--dry-run")

    assert "would be merged" in capsys.readouterr().out
    assert (Product.objects.current().count(), MatchDecision.objects.count()) == (before, 0)

    call_command("match_products")
    merged = before - Product.objects.current().count()

    assert merged > 500
    assert str(merged) in capsys.readouterr().out
    assert "exclude each other" in _refused("match_products", "--limit", "5", "--dry-run")


def test_summary_counts_strings_by_kind_and_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strings = [
        {"id": 1, "kind": "thc", "raw": "18 %", "source": "here"},
        {"id": 2, "kind": "thc", "raw": "may vary", "source": "here"},
        {"id": 3, "kind": "name", "raw": "Pink Kush", "source": "there"},
    ]
    file = tmp_path / "strings.jsonl"
    file.write_text("\n".join(map(json.dumps, strings)))
    call_command("clean_strings", str(file), "--summary")
    rows = [
        [cell.strip() for cell in line.split("│")]
        for line in capsys.readouterr().out.splitlines()
        if "│" in line
    ]

    assert ["thc", "here", "2", "1", "0", "1", "has no value (1)"] in [row[1:-1] for row in rows]
    assert ["name", "there", "1", "1", "0", "0", ""] in [row[1:-1] for row in rows]


def test_evaluated_names_must_be_labeled(tmp_path: Path) -> None:
    file = tmp_path / "names.csv"
    file.write_text("name\nPink Kush\n")

    assert "not a CSV with name, brand and strain" in _refused("evaluate_strain_names", str(file))
    assert "not a CSV" in _refused("evaluate_strain_names", str(tmp_path / "none.csv"))
