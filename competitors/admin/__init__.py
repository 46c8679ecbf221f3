"""Console pages of competitors."""

from competitors.admin import competitors, guards, offers  # noqa: F401  # registers pages
