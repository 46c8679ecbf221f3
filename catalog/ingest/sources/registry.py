"""The sources there are: suppliers that Cultivar knows, and lists that staff have described."""

from catalog.ingest.sources import aglc, ocs, ocs_wholesale, sqdc
from catalog.ingest.sources.mapping import SheetMapping
from catalog.ingest.sources.sheets import SheetSource
from catalog.models import CatalogSource
from mlops.pipelines.definitions import Source
from mlops.pipelines.errors import SourceBroken

BUILT_IN: dict[str, Source] = {
    s.code: s for s in (ocs.SOURCE, ocs_wholesale.SOURCE, aglc.SOURCE, sqdc.SOURCE)
}


def find_source(code: str) -> Source:
    """Return the source of this code; raises KeyError when there is none, SourceBroken when it has no columns yet."""
    if code in BUILT_IN:
        return BUILT_IN[code]
    row = CatalogSource.objects.filter(
        pk=code, kind=CatalogSource.Kind.SHEET, holds=CatalogSource.Holds.PRODUCTS
    ).first()
    if row is None:
        raise KeyError(code)
    if not row.mapping:
        raise SourceBroken(f"{row.label}: nobody has said yet which of its columns says what.")
    return SheetSource(code=row.code, label=row.label, mapping=SheetMapping(**row.mapping))
