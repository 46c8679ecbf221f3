"""Reasons for refusing an image, with instructions for the person in front of the camera."""

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _

from config.errors import BadInput


class FaceImageRefused(BadInput):
    """Base of the reasons for which an image is refused; nothing of the image is in the text."""

    code: ClassVar[str] = "face_image_refused"
    instruction: ClassVar[Any]
    """The reason, and after a colon what the person should do; a lazy text."""

    def __init__(self) -> None:
        super().__init__("image", str(self.instruction), self.code)


class ImageTooLarge(FaceImageRefused):
    """The file has too many bytes or too many pixels."""

    code = "image_too_large"
    instruction = _("The image is too large: send at most 8 MB and 12 million pixels.")


class ImageTooSmall(FaceImageRefused):
    """A side of the image is shorter than a face needs."""

    code = "image_too_small"
    instruction = _("The image is too small: take a photo of at least 120 by 120 pixels.")


class ImageUnreadable(FaceImageRefused):
    """The file is damaged, truncated, or of another format."""

    code = "image_unreadable"
    instruction = _("The file is not a complete JPEG, PNG or WebP image: take the photo again.")


class ImageAnimated(FaceImageRefused):
    """The file has several frames."""

    code = "image_animated"
    instruction = _("The image is animated: send a still photo.")


class FaceNotFound(FaceImageRefused):
    """No face was detected."""

    code = "face_not_found"
    instruction = _("No face was found: look straight at the camera, without a mask or sunglasses.")


class SeveralFaces(FaceImageRefused):
    """More than one face was detected."""

    code = "several_faces"
    instruction = _("There is more than one face: only you may be in the picture.")


class FaceTooSmall(FaceImageRefused):
    """The eyes are too close together in the image."""

    code = "face_too_small"
    instruction = _("Your face is too small in the picture: come closer to the camera.")


class FaceCutOff(FaceImageRefused):
    """The face reaches beyond the edge of the image."""

    code = "face_cut_off"
    instruction = _("Your face is cut off at the edge: move to the middle of the picture.")


class FaceTurned(FaceImageRefused):
    """The head is turned, tilted or raised."""

    code = "face_turned"
    instruction = _("Your head is turned: look straight at the camera and hold your head upright.")


class FaceTooDark(FaceImageRefused):
    """The face is too dark."""

    code = "face_too_dark"
    instruction = _("Your face is too dark: turn toward the light.")


class FaceTooBright(FaceImageRefused):
    """The face is overexposed."""

    code = "face_too_bright"
    instruction = _("Your face is too bright: turn away from the light.")


class FaceBlurred(FaceImageRefused):
    """The face is out of focus or moved."""

    code = "face_blurred"
    instruction = _("Your face is blurred: stand still and take the photo again.")


REFUSALS: tuple[type[FaceImageRefused], ...] = (
    ImageTooLarge,
    ImageTooSmall,
    ImageUnreadable,
    ImageAnimated,
    FaceNotFound,
    SeveralFaces,
    FaceTooSmall,
    FaceCutOff,
    FaceTurned,
    FaceTooDark,
    FaceTooBright,
    FaceBlurred,
)
"""Every reason, in the order of the checks."""
