"""Typed client of Cultivar's REST API."""

from cultivar_client.operations import CultivarClient
from cultivar_client.transport import ApiError

__all__ = ["ApiError", "CultivarClient"]
