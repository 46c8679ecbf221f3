"""Registry of sources: built-in suppliers, and product and licence lists mapped by staff."""

from catalog.ingest.licences import LicenceList
from catalog.ingest.sources import aglc, ocs, ocs_wholesale, sqdc
from catalog.ingest.sources.mapping import SheetMapping
from catalog.ingest.sources.sheets import SheetSource
from catalog.models import CatalogSource
from mlops.pipelines.definitions import PipelineSource
from mlops.pipelines.errors import SourceBroken

BUILT_IN_SOURCES: dict[str, PipelineSource] = {
    source.code: source for source in (ocs.SOURCE, ocs_wholesale.SOURCE, aglc.SOURCE, sqdc.SOURCE)
}


def find_source(code: str) -> PipelineSource:
    """Return the source of a code. Raises KeyError: unknown; SourceBroken: columns not mapped."""
    if code in BUILT_IN_SOURCES:
        return BUILT_IN_SOURCES[code]
    row = CatalogSource.objects.filter(
        pk=code, kind=CatalogSource.Kind.SHEET, content_kind=CatalogSource.ContentKind.PRODUCTS
    ).first()
    if row is None:
        raise KeyError(code)
    if not row.mapping:
        raise SourceBroken(f"{row.label}: its columns are not mapped yet.")
    return SheetSource(code=row.code, label=row.label, mapping=SheetMapping(**row.mapping))


def find_licence_list(code: str) -> LicenceList:
    """Return the list of a code. Raises KeyError: unknown; SourceBroken: columns not mapped."""
    row = CatalogSource.objects.filter(
        pk=code, content_kind=CatalogSource.ContentKind.LICENCES
    ).first()
    if row is None:
        raise KeyError(code)
    if not row.mapping:
        raise SourceBroken(f"{row.label}: its columns are not mapped yet.")
    return LicenceList(code=row.code, label=row.label, mapping=SheetMapping(**row.mapping))
