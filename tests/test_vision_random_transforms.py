"""Random transforms: every image of a batch draws for itself, from minigrad's generator."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad
from minigrad.vision import transforms as T


@pytest.fixture(autouse=True)
def seeded():
    minigrad.manual_seed(0)


def numbered(n: int, h: int, w: int) -> np.ndarray:
    """A batch of grey images in which no two pixels of an image are equal."""
    return np.arange(1, h * w + 1).reshape(1, h, w, 1) + np.zeros((n, 1, 1, 1), int)


def test_random_crop_reaches_every_place_and_only_those():
    x = numbered(400, 4, 5)
    y = T.RandomCrop((3, 3))(x)
    assert y.shape == (400, 3, 3, 1)
    corners = set()
    for one in y[..., 0]:
        i, j = divmod(int(one[0, 0]) - 1, 5)
        corners.add((i, j))
        np.testing.assert_array_equal(one, x[0, i:i + 3, j:j + 3, 0])
    assert corners == {(i, j) for i in range(2) for j in range(3)}


def test_random_crop_pads_before_it_crops():
    y = T.RandomCrop(4, padding=2, fill=-1)(numbered(300, 4, 4))
    assert y.shape == (300, 4, 4, 1)
    assert {int((one == -1).sum()) for one in y} >= {0, 4, 8, 7, 12}
    small = T.RandomCrop((6, 3), pad_if_needed=True, padding_mode="edge")(numbered(5, 2, 4))
    assert small.shape == (5, 6, 3, 1) and small.min() > 0


@pytest.mark.parametrize(("flip", "dim"), [(T.RandomHorizontalFlip, 2), (T.RandomVerticalFlip, 1)])
def test_random_flip_flips_its_share_of_the_images(flip, dim):
    x = numbered(1000, 3, 4)
    y = flip(0.3)(x)
    flipped = np.array([(a == np.flip(b, dim - 1)).all() for a, b in zip(y, x, strict=True)])
    kept = np.array([(a == b).all() for a, b in zip(y, x, strict=True)])
    assert (flipped ^ kept).all()
    assert 250 < flipped.sum() < 350  # 300 expected, standard deviation 14


def test_random_erasing_erases_one_box_within_its_limits():
    x = minigrad.from_numpy(np.ones((300, 2, 20, 30), np.float32))
    y = T.RandomErasing(0.6, scale=(0.05, 0.2), ratio=(0.5, 2.0))(x).numpy()
    erased = 0
    for one in y:
        np.testing.assert_array_equal(one[0], one[1])
        rows, columns = np.nonzero(one[0] == 0)
        if not len(rows):
            continue
        erased += 1
        h, w = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert h * w == len(rows)  # a full box
        assert 0.04 < h * w / 600 < 0.22 and 0.4 < h / w < 2.5  # sides are rounded
    assert 150 < erased < 210  # 180 expected, standard deviation 8.5
    assert (x.numpy() == 1).all()


def test_random_erasing_values():
    x = minigrad.from_numpy(np.zeros((8, 3, 16, 16), np.float32))
    colour = T.RandomErasing(1.0, value=(1, 2, 3))(x).numpy()
    for c in range(3):
        assert set(np.unique(colour[:, c])) == {0, c + 1}
    noise = T.RandomErasing(1.0, scale=(0.3, 0.3), value="random")(x).numpy()
    drawn = noise[noise != 0]
    assert abs(drawn.mean()) < 0.2 and 0.8 < drawn.std() < 1.2
    same = T.RandomErasing(1.0, value=5, inplace=True)(x)
    assert same is x and (x.numpy() == 5).any()


def test_random_erasing_leaves_an_image_in_which_no_box_fits():
    x = minigrad.from_numpy(np.ones((1, 1, 1), np.float32))
    assert (T.RandomErasing(1.0)(x).numpy() == 1).all()


def test_random_rotation_draws_an_angle_per_image():
    x = np.zeros((6, 15, 15, 1), np.uint8)
    x[:, 7, 8:] = 200
    y = T.RandomRotation(180)(x)
    assert y.shape == x.shape
    assert len({one.tobytes() for one in y}) == 6


RANDOM = [T.RandomCrop(5, padding=2), T.RandomHorizontalFlip(), T.RandomVerticalFlip(),
          T.RandomErasing(0.7), T.RandomRotation(40)]


@pytest.mark.parametrize("transform", RANDOM, ids=repr)
def test_the_seed_decides(transform):
    x = np.random.default_rng(1).random((16, 8, 8, 3)).astype(np.float32)
    runs = []
    for seed in (1, 1, 2):
        minigrad.manual_seed(seed)
        runs.append(np.array(transform(x)))
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


@pytest.mark.parametrize("transform", RANDOM, ids=repr)
def test_a_single_image_and_an_empty_batch_work(transform):
    x = np.random.default_rng(1).random((8, 8, 3)).astype(np.float32)
    assert transform(x).shape == ((5, 5, 3) if isinstance(transform, T.RandomCrop) else (8, 8, 3))
    assert len(transform(x[None][:0])) == 0


def test_get_params_fits_the_functional_form():
    x = minigrad.from_numpy(np.random.default_rng(1).random((3, 8, 9)).astype(np.float32))
    top, left, height, width = T.RandomCrop.get_params(x, (4, 5))
    assert tuple(T.functional.crop(x, top, left, height, width).shape) == (3, 4, 5)
    i, j, h, w, v = T.RandomErasing.get_params(x, (0.1, 0.3), (0.5, 2.0), [0.5])
    y = T.functional.erase(x, i, j, h, w, v).numpy()
    assert (y == 0.5).sum() == 3 * h * w
    assert -10 <= T.RandomRotation.get_params([-10, 10]) <= 10


def test_is_batched_asks_every_part():
    assert T.is_batched(None) and T.is_batched(T.Compose([T.ToTensor(), T.RandomCrop(3)]))
    own = T.Lambda(abs)
    assert not T.is_batched(own) and not T.is_batched(T.Compose([T.ToTensor(), own]))
    own.batched = True
    assert T.is_batched(T.Compose([T.ToTensor(), own]))
    assert not T.is_batched(abs) and not T.is_batched(T.RandomRotation(3, expand=True))


def test_warns_of_an_upside_down_range():
    with pytest.warns(UserWarning, match="kind .min, max."):
        T.RandomErasing(scale=(0.3, 0.1))
