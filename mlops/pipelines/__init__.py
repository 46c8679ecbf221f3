"""Pipelines: source definitions, landing, processing, runs, replay."""
