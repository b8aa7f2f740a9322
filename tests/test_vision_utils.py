"""Grids of images, and images in files."""

from __future__ import annotations

import io

import numpy as np
import pytest

import minigrad
from minigrad.vision import utils


def batch(*shape: int) -> minigrad.Tensor:
    return minigrad.from_numpy(np.random.default_rng(0).random(shape).astype(np.float32))


@pytest.mark.parametrize(("n", "nrow", "padding"), [(5, 3, 2), (4, 8, 0), (9, 3, 1)])
def test_make_grid_lays_images_in_rows(n, nrow, padding):
    x = batch(n, 3, 4, 5)
    grid = utils.make_grid(x, nrow, padding, pad_value=7.0).numpy()
    columns = min(n, nrow)
    rows = -(-n // columns)
    assert grid.shape == (3, rows * (4 + padding) + padding, columns * (5 + padding) + padding)
    shown = np.zeros(grid.shape[1:], bool)
    for k in range(n):
        i = padding + k // columns * (4 + padding)
        j = padding + k % columns * (5 + padding)
        np.testing.assert_array_equal(grid[:, i:i + 4, j:j + 5], x.numpy()[k])
        shown[i:i + 4, j:j + 5] = True
    assert (grid[:, ~shown] == 7).all()


def test_make_grid_takes_grey_single_and_listed_images():
    assert tuple(utils.make_grid(batch(4, 5)).shape) == (3, 4, 5)
    assert tuple(utils.make_grid(batch(1, 4, 5)).shape) == (3, 4, 5)
    listed = utils.make_grid([batch(1, 4, 5), batch(1, 4, 5)])
    assert tuple(listed.shape) == (3, 8, 16)


def test_make_grid_normalizes():
    x = minigrad.from_numpy(np.stack([np.full((1, 2, 2), v, np.float32) for v in (-1, 0, 3)]))
    grid = utils.make_grid(x, padding=0, normalize=True).numpy()
    np.testing.assert_allclose(grid[0, 0], [0, 0, 0.25, 0.25, 1, 1])
    grid = utils.make_grid(x, padding=0, normalize=True, value_range=(0, 1)).numpy()
    np.testing.assert_allclose(grid[0, 0], [0, 0, 0, 0, 1, 1])
    x = batch(3, 3, 4, 4)
    each = utils.make_grid(x, padding=0, normalize=True, scale_each=True).numpy()
    for k in range(3):
        part = each[:, :, 4 * k:4 * k + 4]
        assert part.min() == 0 and part.max() == pytest.approx(1)


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: utils.make_grid(np.zeros((2, 3, 4, 4))), TypeError, "sequence of tensors expected"),
    (lambda: utils.make_grid([]), TypeError, "sequence of tensors expected"),
    (lambda: utils.make_grid(batch(0, 3, 4, 4)), ValueError, "got 0 images"),
    (lambda: utils.make_grid(batch(2, 3, 4, 4), nrow=0), ValueError, "nrow 0"),
    (lambda: utils.make_grid(batch(2)), ValueError, r"got shape \(2,\)"),
    (lambda: utils.make_grid([batch(1, 2, 2), batch(1, 3, 2)]), ValueError, "must have one shape"),
    (lambda: utils.make_grid(batch(2, 3, 4, 4), normalize=True, value_range=1), TypeError, "tuple"),
])
def test_make_grid_tells_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_save_image_writes_what_was_given(tmp_path):
    pil = pytest.importorskip("PIL.Image")
    x = np.array([[0.0, 0.5], [1.0, 2.0]], np.float32)
    utils.save_image(minigrad.from_numpy(x), tmp_path / "a.png")
    with pil.open(tmp_path / "a.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture)[..., 0], [[0, 128], [255, 255]])
    buffer = io.BytesIO()
    utils.save_image(batch(5, 3, 4, 4), buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")


def test_vision_parts_are_imported_when_used():
    from minigrad import vision

    assert vision.transforms.ToTensor and "datasets" in dir(vision)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        vision.nothing  # noqa: B018
