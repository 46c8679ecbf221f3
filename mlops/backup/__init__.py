"""Backup and restoration: database, objects and erasures in one signed folder; keys apart."""
