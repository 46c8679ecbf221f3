"""Faces of real photographs: detection, quality gate, embeddings of the same and other people."""

import io
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from biometrics.faces import ENROLMENT_LIMITS, PROBE_LIMITS, extract_face
from biometrics.faces.opencv import FaceModels, FaceModelsUnavailable, face_models
from biometrics.faces.refusals import FaceCutOff, FaceNotFound, SeveralFaces
from tests.samples.degradations import DEGRADATIONS
from tests.samples.face_measurement import Measurement, measure
from tests.samples.photos import CUT_OFF_FILES, PERSON_BY_FILE

pytestmark = [pytest.mark.network, pytest.mark.usefixtures("face_models")]
# A probe may be refused, and the person then takes another photo; what passes must be recognized.
_BEARABLE = [name for name in DEGRADATIONS if "very" not in name]


@pytest.fixture(scope="module")
def measurements(photos: Mapping[str, bytes], face_models: None) -> dict[str, Measurement]:
    return measure(photos)


def _jpeg(image: Image.Image, **options: Any) -> bytes:
    output = io.BytesIO()
    image.save(output, "JPEG", quality=95, **options)
    return output.getvalue()


def test_embedding_is_a_unit_vector_of_128_float32(photos: Mapping[str, bytes]) -> None:
    face = extract_face(photos["biden.jpg"], limits=ENROLMENT_LIMITS)

    assert face.embedding.shape == (128,)
    assert face.embedding.dtype == np.float32
    assert np.linalg.norm(face.embedding) == pytest.approx(1, abs=1e-5)
    assert 0.5 < face.quality <= 1
    assert face.model.startswith("sface-")


def test_photos_of_one_person_are_accepted(measurements: Mapping[str, Measurement]) -> None:
    clean = measurements["clean"]

    assert not clean.refused
    assert len(clean.same) == 6
    assert clean.true_accepts == len(clean.same)


@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_photos_of_two_people_are_never_accepted(
    measurements: Mapping[str, Measurement], degradation: str
) -> None:
    measurement = measurements[degradation]

    assert measurement.different or sum(measurement.refused.values()) == len(PERSON_BY_FILE)
    assert measurement.false_accepts == 0


@pytest.mark.parametrize("degradation", _BEARABLE)
def test_degraded_photos_of_one_person_are_accepted_unless_refused(
    measurements: Mapping[str, Measurement], degradation: str
) -> None:
    measurement = measurements[degradation]

    assert measurement.same
    assert measurement.true_accepts == len(measurement.same)


@pytest.mark.parametrize("name", CUT_OFF_FILES)
def test_half_a_face_is_not_enrolled(photos: Mapping[str, bytes], name: str) -> None:
    with pytest.raises(FaceCutOff):
        extract_face(photos[name], limits=ENROLMENT_LIMITS)


def test_two_people_in_one_picture_are_refused(photos: Mapping[str, bytes]) -> None:
    both = Image.new("RGB", (1600, 1200))
    for index, name in enumerate(("obama.jpg", "biden.jpg")):
        with Image.open(io.BytesIO(photos[name])) as photo:
            photo.thumbnail((800, 1200))
            both.paste(photo, (800 * index, 0))

    with pytest.raises(SeveralFaces):
        extract_face(_jpeg(both), limits=PROBE_LIMITS)


def test_a_picture_without_face_is_refused() -> None:
    with pytest.raises(FaceNotFound):
        extract_face(_jpeg(Image.new("RGB", (640, 480), "green")), limits=PROBE_LIMITS)


def test_a_photo_taken_sideways_has_the_same_embedding(photos: Mapping[str, bytes]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(io.BytesIO(photos["obama.jpg"])) as photo:
        sideways = _jpeg(photo.rotate(90, expand=True), exif=exif)

    upright = extract_face(photos["obama.jpg"], limits=PROBE_LIMITS)
    turned = extract_face(sideways, limits=PROBE_LIMITS)

    assert upright.embedding @ turned.embedding > 0.98


def test_threads_share_one_pair_of_models_and_get_the_same_embedding(
    photos: Mapping[str, bytes],
) -> None:
    with ThreadPoolExecutor(4) as pool:
        faces = list(
            pool.map(lambda _: extract_face(photos["obama2.jpg"], limits=PROBE_LIMITS), range(8))
        )

    assert len({face.embedding.tobytes() for face in faces}) == 1
    assert face_models() is face_models()


def test_opencv_uses_one_thread() -> None:
    import cv2

    face_models()

    assert cv2.getNumThreads() == 1


def test_missing_models_are_reported_with_the_command_that_installs_them(
    settings: Any, tmp_path: Path
) -> None:
    settings.MODELS_DIR = tmp_path

    with pytest.raises(FaceModelsUnavailable, match=r"fetch_models --biometrics"):
        FaceModels()


def test_altered_model_is_not_loaded(settings: Any, tmp_path: Path) -> None:
    settings.MODELS_DIR = tmp_path
    (tmp_path / "biometrics").mkdir()
    (tmp_path / "biometrics" / "yunet.onnx").write_bytes(b"another model")

    with pytest.raises(FaceModelsUnavailable, match="does not match its hash"):
        FaceModels()
