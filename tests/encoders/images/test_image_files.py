"""Decoding: every kind of file is turned into the same pixels or told by its name, within bounded memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from manyhot.encoders.images.encoder import ImageEncoder, iter_images
from manyhot.errors import InputError
from tests.fixtures.image_files import as_file, noise, png_header, turned
from tests.fixtures.peak_memory import PEAK

PIXELS = noise()
GREY = np.asarray(Image.fromarray(PIXELS).convert("L"))
DEEP = (GREY.astype(np.uint16) << 8) + 7


def palette(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels).quantize(64)


def half_clear() -> Image.Image:
    image = Image.new("RGBA", (16, 12))
    image.paste((200, 0, 0, 255), (0, 0, 8, 12))
    return image


def column(*cells: object) -> pl.Series:
    return pl.Series("photo", list(cells), dtype=pl.Binary)


def opened(*cells: object, size: object = (12, 16), channels: str = "colour", fit: str = "pad"):
    return ImageEncoder(size=size, channels=channels, fit=fit).infer_shape(column(*cells)).decode(column(*cells))


EXACT = {
    "png": as_file(PIXELS),
    "bmp": as_file(PIXELS, "BMP"),
    "tiff": as_file(PIXELS, "TIFF"),
    "ppm": as_file(PIXELS, "PPM"),
    "webp": as_file(PIXELS, "WEBP", lossless=True),
    "opaque": as_file(Image.fromarray(PIXELS).convert("RGBA")),
    "animated webp": as_file(
        Image.fromarray(PIXELS), "WEBP", lossless=True, save_all=True, append_images=[Image.fromarray(255 - PIXELS)]
    ),
}
EXACT_GREY = {
    "8 bits": as_file(GREY),
    "16 bits png": as_file(DEEP),
    "16 bits tiff": as_file(DEEP, "TIFF"),
    "with alpha": as_file(Image.fromarray(GREY).convert("LA")),
}
NEAR = {
    "jpeg": as_file(PIXELS.repeat(8, 0).repeat(8, 1), "JPEG", quality=95),
    "cmyk": as_file(Image.fromarray(PIXELS.repeat(8, 0).repeat(8, 1)).convert("CMYK"), "JPEG", quality=95),
    "palette": as_file(palette(PIXELS // 64 * 64)),
    "gif": as_file(palette(PIXELS // 64 * 64), "GIF", save_all=True, append_images=[palette(255 - PIXELS)]),
}


@pytest.mark.parametrize("kind", EXACT)
def test_pixels_come_out_as_they_went_in(kind):
    images, bad = opened(EXACT[kind])
    assert not bad
    np.testing.assert_array_equal(images[0], PIXELS)


@pytest.mark.parametrize("kind", EXACT_GREY)
def test_grey_images_have_one_channel(kind):
    encoder = ImageEncoder().infer_shape(column(EXACT_GREY[kind]))
    assert encoder.shape == (12, 16, 1)
    np.testing.assert_array_equal(encoder.transform(column(EXACT_GREY[kind]))[0, ..., 0], GREY)


@pytest.mark.parametrize("kind", NEAR)
def test_kinds_that_lose_a_little(kind):
    images, bad = opened(NEAR[kind])
    assert not bad
    assert np.abs(images[0].astype(int) - PIXELS).mean() < 45
    assert np.corrcoef(images[0].ravel(), PIXELS.ravel())[0, 1] > 0.9


def test_what_is_transparent_is_white():
    rgba, clear_palette = half_clear(), palette(PIXELS)
    images, bad = opened(as_file(rgba), as_file(clear_palette, transparency=clear_palette.getpixel((0, 0))))
    assert not bad
    assert images[0, 3, 3].tolist() == [200, 0, 0]
    assert images[0, 3, 12].tolist() == [255, 255, 255]
    assert images[1, 0, 0].tolist() == [255, 255, 255]


def test_one_bit_and_16_bit_colour():
    dots = GREY > 127
    images, bad = opened(as_file(Image.fromarray(dots)), channels="grey")
    assert not bad
    np.testing.assert_array_equal(images[0, ..., 0], dots * 255)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_images_are_turned_as_they_are_shown(kind):
    encoder = ImageEncoder().infer_shape(column(turned(kind)))
    image = ImageEncoder(size=(32, 16)).infer_shape(column(turned(kind))).transform(column(turned(kind)))[0]
    assert image[:12].max() < 40
    assert image[20:].min() > 215
    assert encoder.shape == (32, 16, 1)


BAD = {
    "cut png": (as_file(noise(40, 40))[:900], "cut short"),
    "cut jpeg": (as_file(noise(40, 40), "JPEG")[:900], "cut short"),
    "empty": (b"", "is empty"),
    "text": (b"this is a text, whatever its name says", "is text and no image"),
    "binary": (bytes(range(200, 256)) * 9, "something else"),
    "claims": (png_header(50_000, 50_000), "2500 megapixels"),
    "claims less": (png_header(9_000, 9_000), "9000 x 9000, 81 megapixels"),
    "damaged": (as_file(PIXELS)[:60] + b"xxxx" + as_file(PIXELS)[64:], "damaged"),
    "fractions": (as_file(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"), "holds fractions"),
    "nothing": (None, "is missing"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_used_is_told_and_harms_no_other(what, recwarn):
    cell, words = BAD[what]
    images, bad = opened(EXACT["png"], cell, EXACT["bmp"])
    assert list(bad) == [1]
    assert words in bad[1].message
    assert not images[1].any()
    for row in (0, 2):
        np.testing.assert_array_equal(images[row], PIXELS)
    with pytest.raises(InputError, match="on_bad_image") as caught:
        ImageEncoder().fit(column(EXACT["png"], cell))
    assert (caught.value.row, caught.value.column) == (2, "photo")
    assert not recwarn


def test_paths_that_lead_nowhere_are_told(tmp_path):
    (tmp_path / "a.png").write_bytes(EXACT["png"])
    (tmp_path / "empty.jpg").write_bytes(b"")
    cells = [str(tmp_path / name) for name in ("a.png", "b.png", "empty.jpg", "")]
    paths = pl.Series("photo", [*cells, "https://example.org/a.png"])
    _, bad = ImageEncoder().infer_shape(paths).decode(paths)
    assert [fault.message.split("' ")[1] for fault in bad.values()][:2] == ["does not exist", "is empty (0 bytes)"]
    assert sorted(bad) == [1, 2, 3, 4]
    assert "download" in bad[4].message


def test_nothing_but_bad_images_cannot_be_learned_from():
    with pytest.raises(InputError, match="no image can be used"):
        ImageEncoder().infer_shape(column(b"", None))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(12, 16), (12, 16)], (12, 16)),
        ([(256, 200)] * 2, (256, 200)),
        ([(300, 200)] * 3, (128, 85)),
        ([(30, 60), (20, 40), (40, 80)], (30, 60)),
        ([(30, 60), (60, 30), (40, 50)], (60, 60)),
        ([(500, 1000), (1000, 500)], (128, 128)),
    ],
)
def test_size_is_chosen_by_the_images(sizes, expected):
    cells = [as_file(noise(*size)) for size in sizes]
    assert ImageEncoder().infer_shape(column(*cells)).shape == (*expected, 3)


def test_channels_are_chosen_by_the_images():
    grey = Image.fromarray(GREY)
    assert ImageEncoder().infer_shape(column(as_file(grey.convert("RGB")))).shape[2] == 1
    assert ImageEncoder().infer_shape(column(as_file(grey), as_file(PIXELS))).shape[2] == 3
    assert ImageEncoder(channels="colour").infer_shape(column(as_file(grey))).shape[2] == 3


def test_what_settles_the_size_does_not_depend_on_the_order(monkeypatch):
    monkeypatch.setattr("manyhot.encoders.images.encoder.MAX_HEADERS", 3)
    cells = [as_file(noise(8 + k, 8 + k, seed=k)) for k in range(9)]
    assert ImageEncoder().infer_shape(column(*cells)).shape == ImageEncoder().infer_shape(column(*cells[::-1])).shape


def test_an_image_of_another_shape_is_padded_stretched_or_cropped():
    wide = np.zeros((10, 40, 3), np.uint8)
    wide[:, 20:] = 200
    cell = as_file(wide)
    pad, stretch, crop = (opened(cell, size=[20], fit=fit)[0][0] for fit in ("pad", "stretch", "crop"))
    assert set(pad[0, :, 0].tolist()) == {100}  # its mean colour
    assert pad[10, 2, 0] == 0
    assert pad[10, 17, 0] == 200
    assert stretch[0, 2, 0] == 0
    assert stretch[19, 17, 0] == 200
    assert crop[0, 2, 0] == 0
    assert crop[0, 17, 0] == 200
    assert abs(int(crop[:, 8, 0].mean()) - int(stretch[:, 8, 0].mean())) < 60


def test_large_jpegs_come_out_alike_whether_decoded_small_or_whole():
    smooth = np.asarray(Image.fromarray(noise(6, 8)).resize((800, 600), Image.Resampling.BICUBIC))
    drafted = opened(as_file(smooth, "JPEG", quality=95), size=(30, 40))[0][0]
    whole = opened(as_file(smooth), size=(30, 40))[0][0]
    assert np.abs(drafted.astype(int) - whole).mean() < 3


def test_threads_change_neither_order_nor_pixels(monkeypatch):
    cells = [as_file(noise(seed=k)) for k in range(80)]
    many = opened(*cells)[0]
    monkeypatch.setattr("manyhot.encoders.images.encoder.os.cpu_count", lambda: 0)
    np.testing.assert_array_equal(opened(*cells)[0], many)
    np.testing.assert_array_equal(many[[3, 79]], [noise(seed=3), noise(seed=79)])


def test_mean_and_deviation_are_those_of_all_pixels():
    encoder = ImageEncoder().fit(column(EXACT["png"], as_file(noise(seed=1))))
    both = np.concatenate([PIXELS, noise(seed=1)]).reshape(-1, 3) / 255
    np.testing.assert_allclose(encoder.mean, both.mean(axis=0))
    np.testing.assert_allclose(encoder.deviation, both.std(axis=0))
    again = ImageEncoder.from_spec(encoder.to_spec())
    np.testing.assert_array_equal(again.transform(column(EXACT["bmp"]))[0], PIXELS)


def test_arrays_are_brought_to_the_size_as_files_are():
    arrays = pl.Series("photo", np.stack([PIXELS, noise(seed=1)]))
    small = ImageEncoder(size=(6, 8)).fit(arrays)
    from_files = small.transform(column(EXACT["png"], as_file(noise(seed=1))))
    np.testing.assert_array_equal(small.transform(arrays), from_files)
    with_gap = pl.Series("photo", [PIXELS.tolist(), None], dtype=pl.Array(pl.UInt8, (12, 16, 3)))
    images, bad = small.decode(with_gap)
    assert list(bad) == [1]
    np.testing.assert_array_equal(images[0], from_files[0])


def test_pictures_are_shown_at_their_own_shapes():
    cells = column(EXACT["png"], b"", as_file(GREY.repeat(4, 0)), turned())
    shown = list(iter_images(cells, range(4), 24))
    assert [None if one is None else one.shape for one in shown] == [(12, 16, 3), None, (24, 8, 3), (24, 12, 3)]
    np.testing.assert_array_equal(shown[0], PIXELS)
    assert [one is None for one in iter_images(cells, [1, 0], 24)] == [True, False]


BOUNDED = (
    PEAK
    + """
import sys
import polars as pl
from manyhot.encoders.images.encoder import ImageEncoder
before = peak()
for files in sys.argv[1:]:
    column = pl.Series("photo", files.split("|"))
    images, bad = ImageEncoder(size=[16]).infer_shape(column).decode(column)
    print(peak() - before, len(bad))
"""
)


def grown(*columns: list[Path]) -> list[tuple[int, int]]:
    """After each column of files, KiB that the process grew by at its peak, and images that could not be used."""
    words = ["|".join(map(str, files)) for files in columns]
    done = subprocess.run([sys.executable, "-c", BOUNDED, *words], capture_output=True, text=True, check=True)
    return [(int(kib), int(n_bad)) for kib, n_bad in map(str.split, done.stdout.splitlines())]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peaks are counted in KiB on Linux")
def test_memory_does_not_follow_what_a_header_claims(tmp_path):
    good, claims, large = tmp_path / "a.png", tmp_path / "claims.png", tmp_path / "large.png"
    good.write_bytes(EXACT["png"])
    claims.write_bytes(png_header(50_000, 50_000))
    large.write_bytes(as_file(Image.new("L", (6000, 6000))))
    first, second = grown([good, claims], [good, *[large] * 4])  # 36 MB each, one at a time
    assert first[1] == 1
    assert first[0] < 60_000
    assert second[1] == 0
    assert second[0] < 200_000
