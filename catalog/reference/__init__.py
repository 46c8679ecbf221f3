"""Facts about terpenes and strains that ship with Cultivar; see SOURCES.md."""
