"""Biometrics: encrypted face templates, stored only with express consent."""
