"""Encrypted templates under express consent."""
