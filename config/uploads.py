"""Files that staff upload: scanned for viruses before they are stored."""

from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from config.clients.clamav import FileInfected, ScannerUnavailable, scan_file
from config.errors import BadInput


def scan_upload(file: UploadedFile) -> None:
    """Scan an uploaded file. Raises BadInput: it is infected, or cannot be scanned."""
    try:
        scan_file(file)
    except FileInfected as error:
        reason = _("is infected: the virus scanner found %(signature)s")
        raise BadInput("file", reason % {"signature": error.signature}, "infected") from error
    except ScannerUnavailable as error:
        reason = _("cannot be scanned for viruses, as the scanner is unavailable; try again later")
        raise BadInput("file", reason, "not_scanned") from error
