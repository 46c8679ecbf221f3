"""Reasons for refusing an image, with what the person should do, in English and French."""

from typing import ClassVar

from config.errors import BadInput


class FaceImageRefused(BadInput):
    """Base of the reasons for which an image is refused; nothing of the image is in the text."""

    code: ClassVar[str] = "face_image_refused"
    text_en: ClassVar[str]
    text_fr: ClassVar[str]

    def __init__(self, language: str = "en") -> None:
        super().__init__("image", self.text_fr if language == "fr" else self.text_en)

    def in_language(self, language: str) -> "FaceImageRefused":
        """Return the same reason in a language, `en` or `fr`."""
        return type(self)(language)


class ImageTooLarge(FaceImageRefused):
    """The file has too many bytes or too many pixels."""

    code = "image_too_large"
    text_en = "The image is too large: send at most 8 MB and 12 million pixels."
    text_fr = "L'image est trop grande : envoyez au plus 8 Mo et 12 millions de pixels."


class ImageTooSmall(FaceImageRefused):
    """A side of the image is shorter than a face needs."""

    code = "image_too_small"
    text_en = "The image is too small: take a photo of at least 120 by 120 pixels."
    text_fr = "L'image est trop petite : prenez une photo d'au moins 120 sur 120 pixels."


class ImageUnreadable(FaceImageRefused):
    """The file is damaged, truncated, or of another format."""

    code = "image_unreadable"
    text_en = "The file is not a complete JPEG, PNG or WebP image: take the photo again."
    text_fr = "Le fichier n'est pas une image JPEG, PNG ou WebP complète : reprenez la photo."


class ImageAnimated(FaceImageRefused):
    """The file has several frames."""

    code = "image_animated"
    text_en = "The image is animated: send a still photo."
    text_fr = "L'image est animée : envoyez une photo fixe."


class FaceNotFound(FaceImageRefused):
    """No face was detected."""

    code = "face_not_found"
    text_en = "No face was found: look straight at the camera, without a mask or sunglasses."
    text_fr = (
        "Aucun visage n'a été trouvé : regardez la caméra bien en face, sans masque ni lunettes de"
        " soleil."
    )


class SeveralFaces(FaceImageRefused):
    """More than one face was detected."""

    code = "several_faces"
    text_en = "There is more than one face: only you may be in the picture."
    text_fr = "Il y a plus d'un visage : vous devez être seul(e) sur l'image."


class FaceTooSmall(FaceImageRefused):
    """The eyes are too close together in the image."""

    code = "face_too_small"
    text_en = "Your face is too small in the picture: come closer to the camera."
    text_fr = "Votre visage est trop petit sur l'image : approchez-vous de la caméra."


class FaceCutOff(FaceImageRefused):
    """The face reaches beyond the edge of the image."""

    code = "face_cut_off"
    text_en = "Your face is cut off at the edge: move to the middle of the picture."
    text_fr = "Votre visage est coupé au bord : placez-vous au milieu de l'image."


class FaceTurned(FaceImageRefused):
    """The head is turned, tilted or raised."""

    code = "face_turned"
    text_en = "Your head is turned: look straight at the camera and hold your head upright."
    text_fr = "Votre tête est tournée : regardez la caméra bien en face, la tête droite."


class FaceTooDark(FaceImageRefused):
    """The face is too dark."""

    code = "face_too_dark"
    text_en = "Your face is too dark: turn toward the light."
    text_fr = "Votre visage est trop sombre : tournez-vous vers la lumière."


class FaceTooBright(FaceImageRefused):
    """The face is overexposed."""

    code = "face_too_bright"
    text_en = "Your face is too bright: turn away from the light."
    text_fr = "Votre visage est trop clair : détournez-vous de la lumière."


class FaceBlurred(FaceImageRefused):
    """The face is out of focus or moved."""

    code = "face_blurred"
    text_en = "Your face is blurred: stand still and take the photo again."
    text_fr = "Votre visage est flou : ne bougez pas et reprenez la photo."


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
