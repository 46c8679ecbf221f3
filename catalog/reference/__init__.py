"""Reference tables shipped with Cultivar: terpenes, strains, synonyms, law; see SOURCES.md."""
