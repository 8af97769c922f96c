"""Decoding and padding."""

import io

import numpy as np
import pytest
from PIL import Image

from analysis.core import images
from analysis.core.errors import DataError
from analysis.core.images import GREY, decode
from analysis.stimuli.images import pad


def test_aspect_is_kept_and_the_rest_is_grey(picture):
    square = pad(decode(picture((250, 10, 20), (40, 20))), 16)
    assert square.shape == (3, 16, 16)
    assert square.dtype == np.uint8
    assert (square[:, :4] == GREY).all()
    assert (square[:, 12:] == GREY).all()
    assert (square[:, 4:12] == np.array([250, 10, 20])[:, None, None]).all()
    tall = pad(decode(picture((250, 10, 20), (5, 10))), 16)  # smaller than the square: enlarged
    assert (tall[0, :, 4:12] == 250).all()
    assert (tall[:, :, :4] == GREY).all()
    assert pad(decode(picture((1, 2, 3), (4000, 3))), 16).shape == (3, 16, 16)


def test_channels_and_rows_keep_their_order():
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[2, 5] = (1, 2, 3)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    assert pad(decode(file.getvalue()), 16)[:, 2, 5].tolist() == [1, 2, 3]


def test_transparent_parts_show_the_grey_screen(picture):
    assert pad(decode(picture((200, 0, 0, 0), mode="RGBA")), 16)[:, 5, 5].tolist() == [GREY] * 3
    half = pad(decode(picture((228, 128, 28, 128), mode="RGBA")), 16)[:, 5, 5]
    assert np.abs(half.astype(int) - [178, 128, 78]).max() <= 1
    assert pad(decode(picture(0, mode="P", transparency=0)), 16)[:, 5, 5].tolist() == [GREY] * 3
    assert pad(decode(picture((90, 0), mode="LA")), 16)[:, 5, 5].tolist() == [GREY] * 3


def test_grey_and_16_bit_images(picture):
    assert pad(decode(picture(77, mode="L")), 16)[:, 5, 5].tolist() == [77] * 3
    assert pad(decode(picture(77 * 256 + 3, mode="I;16")), 16)[:, 5, 5].tolist() == [77] * 3
    assert pad(decode(picture(1, mode="1")), 16)[:, 5, 5].tolist() == [255] * 3
    assert np.ptp(pad(decode(picture((0, 0, 0, 100), mode="CMYK", format="JPEG")), 16)[:, 5, 5]) <= 2


def test_pixels_are_taken_as_stored():
    pixels = np.zeros((20, 20, 3), np.uint8)
    pixels[:10] = 255  # upper half white
    exif = Image.Exif()
    exif[274] = 6  # "turn by 90 degrees to view"
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", exif=exif, quality=95)
    square = pad(decode(file.getvalue()), 16)
    assert square[0, 2].min() > 200
    assert square[0, 13].max() < 50


def test_damaged_images_are_data_errors(picture, noise, monkeypatch):
    file = io.BytesIO()
    Image.fromarray(np.frombuffer(noise[: 64 * 64 * 3], np.uint8).reshape(64, 64, 3)).save(file, "JPEG")
    for data in (b"", b"no image", noise[:1000], file.getvalue()[:2000], picture((1, 2, 3))[:-30]):
        with pytest.raises(DataError, match="not a readable image"):
            decode(data)
    monkeypatch.setattr(images, "LARGEST", 63)
    with pytest.raises(DataError, match="8 x 8 pixels"):
        decode(picture((1, 2, 3)))


def test_real_images(reference):
    for path in sorted((reference / "Stimuli").iterdir()):
        square = pad(decode(path.read_bytes()), 112)
        oracle = Image.open(path).convert("RGB").resize((112, 112), Image.Resampling.BICUBIC)  # all nine are square
        assert (square == np.asarray(oracle).transpose(2, 0, 1)).all()
