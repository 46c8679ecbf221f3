"""Image files that must be refused: bombs, damaged files, other formats, animations."""

import io
import random
import struct
import zlib

from PIL import Image

_SEED = 20261128
# Pixels of the largest image that is decoded at all.
_LARGEST_SIDE = 3535


def hostile_images() -> dict[str, bytes]:
    """Return the files by name; none contains a face that could be recognized."""
    return {**_bombs(), **_damaged(), **_other_formats(), **_unusable()}


def _bombs() -> dict[str, bytes]:
    strip = _png_chunk(b"IDAT", zlib.compress(bytes(1 + 20_000 // 8) * 20_000, 9))
    jpeg = _photo("JPEG", size=(640, 480))
    return {
        "png of 400 million pixels": _png(20_000, 20_000, 1, 0, strip),
        "png of 4 billion pixels": _png(65_535, 65_535, 8, 2, _png_chunk(b"IDAT", b"")),
        "png of the maximum of both sides": _png(2**31 - 1, 2**31 - 1, 8, 6, b""),
        "largest png that is decoded": _blank("PNG", "RGBA"),
        "largest webp that is decoded": _blank("WEBP", "RGB", lossless=True),
        "largest progressive jpeg": _blank("JPEG", "RGB", progressive=True, quality=1),
        "webp of 268 million pixels": _webp_header(16_383, 16_383),
        "jpeg whose header states 65500 by 65500": _with_jpeg_size(jpeg, 65_500, 65_500),
        "jpeg of 1000 scans": _with_many_scans(1000),
        "png with 100 MB of compressed text": _png_with(
            b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000), 9)
        ),
        "png with 100 MB of compressed color profile": _png_with(
            b"iCCP", b"icc\0\0" + zlib.compress(bytes(100_000_000), 9)
        ),
        "png with 100 MB of international text": _png_with(
            b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(b"a" * 100_000_000, 9)
        ),
        "file of 9 MB": _photo("PNG") + bytes(9_000_000),
        "strip of one pixel width": _blank("PNG", "L", size=(1, 1_000_000)),
    }


def _damaged() -> dict[str, bytes]:
    noise = random.Random(_SEED)
    jpeg, png, webp = (_photo(name) for name in ("JPEG", "PNG", "WEBP"))
    progressive = _photo("JPEG", progressive=True)
    interlaced = bytearray(png)
    interlaced[28] = 1
    return {
        "nothing": b"",
        "one byte": b"\xff",
        "zeros": bytes(10_000),
        "random bytes": noise.randbytes(10_000),
        "start of a jpeg": jpeg[:2],
        "jpeg without scan": jpeg[: jpeg.index(b"\xff\xda")],
        "half a jpeg": jpeg[: len(jpeg) // 2],
        "half a progressive jpeg": progressive[: len(progressive) // 2],
        "half a png": png[: len(png) // 2],
        "half a webp": webp[: len(webp) // 2],
        "signature of a png": png[:8],
        "png without data": _png(640, 480, 8, 2, b""),
        "png of width 0": _png(0, 480, 8, 2, b""),
        "png of an unknown bit depth": _png(640, 480, 3, 2, b""),
        "png of an unknown color type": _png(640, 480, 8, 5, b""),
        "png with a palette that is missing": _png(640, 480, 8, 3, b""),
        "png with a wrong checksum": png[:40] + bytes([png[40] ^ 255]) + png[41:],
        "png with a chunk longer than the file": png[:33] + struct.pack(">I", 2**31 - 1) + png[37:],
        "png with damaged data": _flip_bytes(png, noise),
        "png that only claims to be interlaced": bytes(interlaced),
        "webp with damaged data": _flip_bytes(webp, noise),
        "webp of another length": webp[:4] + struct.pack("<I", 10) + webp[8:],
        "jpeg without quantization tables": jpeg.replace(b"\xff\xdb", b"\xff\xfe"),
        "jpeg without Huffman tables": jpeg.replace(b"\xff\xc4", b"\xff\xfe"),
        "jpeg of height 0": _with_jpeg_size(jpeg, 640, 0),
        "jpeg segment of length 0": jpeg[:2] + b"\xff\xe1\x00\x00" + jpeg[2:],
        "jpeg with damaged EXIF": _with_exif(jpeg, b"Exif\0\0" + noise.randbytes(200)),
        "jpeg with an EXIF directory that contains itself": _with_exif(
            jpeg, b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x87i\0\4\0\0\0\1\0\0\0\x08\0\0\0\x08"
        ),
        "jpeg with an orientation that does not exist": _with_exif(
            jpeg, b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\3\0\0\0\1\0\x63\0\0\0\0\0\0"
        ),
    }


def _other_formats() -> dict[str, bytes]:
    others = {name: _photo(name) for name in ("GIF", "BMP", "TIFF", "PPM", "TGA", "ICO")}
    return {
        **others,
        "jpeg 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100),
        "pdf": b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 640 480\n",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="480"/>',
        "html after a jpeg's start": b"\xff\xd8\xff<html><script>alert(1)</script></html>",
        "zip": b"PK\3\4" + bytes(100),
    }


def _unusable() -> dict[str, bytes]:
    frames = [Image.new("RGB", (640, 480), color) for color in ("red", "green", "blue")]
    return {
        "animated png": _save(frames[0], "PNG", save_all=True, append_images=frames[1:]),
        "animated webp": _save(frames[0], "WEBP", save_all=True, append_images=frames[1:]),
        "animated gif": _save(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "one pixel": _blank("PNG", "RGB", size=(1, 1)),
        "too small": _blank("JPEG", "RGB", size=(119, 640)),
        "no face": _photo("JPEG"),
        "no face in 16 bits": _blank("PNG", "I;16", size=(640, 480)),
        "no face in CMYK": _blank("JPEG", "CMYK", size=(640, 480)),
        "no face in two colors": _blank("PNG", "1", size=(640, 480)),
    }


def _photo(name: str, *, size: tuple[int, int] = (640, 480), **options: object) -> bytes:
    """Return a file with smooth noise, which compresses like a photo."""
    small = Image.frombytes("RGB", (80, 60), random.Random(_SEED).randbytes(80 * 60 * 3))
    return _save(small.resize(size, Image.Resampling.BICUBIC), name, **options)


def _blank(
    name: str,
    mode: str,
    *,
    size: tuple[int, int] = (_LARGEST_SIDE, _LARGEST_SIDE),
    **options: object,
) -> bytes:
    return _save(Image.new(mode, size), name, **options)


def _save(image: Image.Image, name: str, **options: object) -> bytes:
    output = io.BytesIO()
    image.save(output, name, **options)
    return output.getvalue()


def _png(width: int, height: int, bits: int, color_type: int, data: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    chunks = _png_chunk(b"IHDR", header) + data + _png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png_with(name: bytes, data: bytes) -> bytes:
    """Return a photo with another chunk before its pixels."""
    png = _photo("PNG")
    return png[:33] + _png_chunk(name, data) + png[33:]


def _webp_header(width: int, height: int) -> bytes:
    """Return a lossless WebP file of one color: its whole data are a few bytes."""
    bits = (width - 1) | (height - 1) << 14
    data = b"\x2f" + struct.pack("<I", bits) + bytes(20)
    chunk = b"VP8L" + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def _with_jpeg_size(jpeg: bytes, width: int, height: int) -> bytes:
    start = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:start] + struct.pack(">HH", height, width) + jpeg[start + 4 :]


def _with_many_scans(count: int) -> bytes:
    """Return a progressive JPEG of the largest size that repeats its last scan."""
    jpeg = _blank("JPEG", "RGB", progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:-2] + jpeg[last:-2] * min(count, 7_000_000 // (len(jpeg) - last)) + jpeg[-2:]


def _with_exif(jpeg: bytes, exif: bytes) -> bytes:
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def _flip_bytes(data: bytes, noise: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(200):
        damaged[noise.randrange(60, len(damaged))] ^= 0xA5
    return bytes(damaged)
