"""Encoders: texts, images and features to unit vectors."""
