"""Suppliers, one file each."""
