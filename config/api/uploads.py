"""Files in the body of a request."""

import io
from collections.abc import Mapping
from typing import IO, Any, ClassVar

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import MultiPartParser

from config.api.parsers import RequestTooLarge


# A file that is sent is binary; drf-spectacular describes files as sent back, by their address.
@extend_schema_field({"type": "string", "format": "binary"})
class UploadedFileField(serializers.FileField):
    """A file in the body of a request."""


class MemoryMultiPartParser(MultiPartParser):
    """
    Parser of forms whose files never touch a disk: Django would write larger ones to /tmp.

    max_bytes: of all files together.
    """

    max_bytes: ClassVar[int] = 5 * 2**20

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the parsed form. Raises RequestTooLarge or ParseError."""
        context = dict(parser_context or {})
        request = context["request"]
        # Read by the base class.
        request.upload_handlers = [_MemoryUploadHandler(request, max_bytes=self.max_bytes)]
        try:
            return super().parse(stream, media_type, context)
        except SuspiciousOperation as error:
            raise ParseError(f"Multipart form parse error: {error}") from None


class _MemoryUploadHandler(FileUploadHandler):
    """Receives files into memory, up to a size."""

    def __init__(self, request: HttpRequest, *, max_bytes: int) -> None:
        super().__init__(request)
        self._max_bytes = max_bytes
        self._received_bytes = 0
        self._content = io.BytesIO()

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._content = io.BytesIO()

    def receive_data_chunk(self, raw_data: bytes, _start: int) -> None:
        self._received_bytes += len(raw_data)
        if self._received_bytes > self._max_bytes:
            raise RequestTooLarge(f"The files are larger than {self._max_bytes} bytes.")
        self._content.write(raw_data)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        self._content.seek(0)
        return InMemoryUploadedFile(
            self._content,
            self.field_name,
            self.file_name,
            self.content_type,
            file_size,
            self.charset,
            self.content_type_extra,
        )
