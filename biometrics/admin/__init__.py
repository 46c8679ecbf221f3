"""Console pages of biometrics; none shows a template, an image or an export."""

from biometrics.admin import (  # noqa: F401  # registers the pages
    audit,
    provinces,
    templates,
)
