"""Deterministic transforms against nested loops, and what they say about wrong arguments."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad
from minigrad.vision import transforms as T
from minigrad.vision.transforms import functional as F

sizes = st.integers(1, 9)
seeds = st.integers(0, 2**31)


def image(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def tensor(array: np.ndarray) -> minigrad.Tensor:
    return minigrad.from_numpy(array)


def padded_index(i: int, size: int, mode: str) -> int | None:
    """Which pixel of a row of `size` shows at position `i`, which may be outside; None is fill."""
    if 0 <= i < size:
        return i
    if mode == "constant":
        return None
    if mode == "edge":
        return 0 if i < 0 else size - 1
    if mode == "reflect":
        return -i if i < 0 else 2 * (size - 1) - i
    return -i - 1 if i < 0 else 2 * size - 1 - i


# pad, crop, flip --------------------------------------------------------------------------------


@given(sizes, sizes, st.lists(st.integers(0, 4), min_size=4, max_size=4), seeds,
       st.sampled_from(["constant", "edge", "reflect", "symmetric"]))
def test_pad_matches_index_by_index(h, w, border, seed, mode):
    left, top, right, bottom = border
    room = {"reflect": 1, "symmetric": 0}.get(mode)
    if room is not None and (max(top, bottom) > h - room or max(left, right) > w - room):
        with pytest.raises(ValueError, match="can only mirror what is there"):
            F.pad(tensor(image(seed, 2, h, w)), border, 0, mode)
        return
    x = image(seed, 2, h, w)
    y = F.pad(tensor(x), border, (7, 9), mode).numpy()
    assert y.shape == (2, top + h + bottom, left + w + right)
    for c in range(2):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                u = padded_index(i - top, h, mode)
                v = padded_index(j - left, w, mode)
                assert y[c, i, j] == ((7, 9)[c] if u is None or v is None else x[c, u, v])


@pytest.mark.parametrize(("padding", "same"), [
    (2, (2, 2, 2, 2)), ((2,), (2, 2, 2, 2)), ([1, 3], (1, 3, 1, 3)), ((1, 2, 3, 4), (1, 2, 3, 4)),
])
def test_pad_reads_one_two_and_four_numbers(padding, same):
    x = tensor(image(0, 3, 5, 4))
    np.testing.assert_array_equal(F.pad(x, padding).numpy(), F.pad(x, same).numpy())
    left, top, right, bottom = same
    assert F.pad(x, padding).shape == (3, 5 + top + bottom, 4 + left + right)


def test_negative_padding_crops():
    x = image(0, 3, 5, 4)
    np.testing.assert_array_equal(F.pad(tensor(x), (-1, 0, 1, -2)).numpy()[:, :, :3], x[:, :3, 1:])


@given(sizes, sizes, st.integers(-4, 8), st.integers(-4, 8), sizes, sizes, seeds)
def test_crop_is_zero_outside_the_image(h, w, top, left, height, width, seed):
    x = image(seed, h, w)
    y = F.crop(x, top, left, height, width)
    for i in range(height):
        for j in range(width):
            inside = 0 <= top + i < h and 0 <= left + j < w
            assert y[i, j] == (x[top + i, left + j] if inside else 0)


@given(sizes, sizes, sizes, sizes, seeds)
def test_center_crop_leaves_equal_borders(h, w, height, width, seed):
    x = image(seed, h, w)
    y = F.center_crop(x, (height, width))
    assert y.shape == (height, width)
    top = round((h - height) / 2) if h >= height else -((height - h) // 2)
    left = round((w - width) / 2) if w >= width else -((width - w) // 2)
    np.testing.assert_array_equal(y, F.crop(x, top, left, height, width))


def test_flips_reverse_rows_or_columns():
    x = image(0, 2, 3, 4, 5)
    np.testing.assert_array_equal(F.hflip(tensor(x)).numpy(), x[..., ::-1])
    np.testing.assert_array_equal(F.vflip(tensor(x)).numpy(), x[:, :, ::-1])


# resize and rotate ------------------------------------------------------------------------------


def bilinear(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """One output pixel at a time, for a float (H, W) image."""
    h, w = x.shape
    y = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            r = max((i + 0.5) * h / height - 0.5, 0)
            c = max((j + 0.5) * w / width - 0.5, 0)
            for u in (math.floor(r), math.floor(r) + 1):
                for v in (math.floor(c), math.floor(c) + 1):
                    share = (1 - abs(r - u)) * (1 - abs(c - v))
                    y[i, j] += share * x[min(u, h - 1), min(v, w - 1)]
    return y


@given(sizes, sizes, sizes, sizes, seeds)
def test_resize_bilinear_matches_loops(h, w, height, width, seed):
    x = np.random.default_rng(seed).random((h, w))
    y = F.resize(x, (height, width), antialias=False)
    np.testing.assert_allclose(y, bilinear(x, height, width), atol=1e-12)


@given(sizes, sizes, st.integers(1, 5), seeds)
def test_antialiased_halving_weighs_four_pixels_per_axis(h, w, channels, seed):
    x = np.random.default_rng(seed).random((channels, 2 * h, 2 * w))
    y = F.resize(tensor(x), (h, w)).numpy()
    weights = np.array([1, 3, 3, 1])

    def halve(rows: np.ndarray) -> np.ndarray:
        out = np.zeros((len(rows) // 2, *rows.shape[1:]))
        for i in range(len(out)):
            window = enumerate(range(2 * i - 1, 2 * i + 3))
            inside = [(u, k) for k, u in window if 0 <= u < len(rows)]
            total = sum(weights[k] for _, k in inside)
            out[i] = sum(weights[k] / total * rows[u] for u, k in inside)
        return out

    expected = halve(halve(x.transpose(1, 2, 0)).transpose(1, 0, 2)).transpose(2, 1, 0)
    np.testing.assert_allclose(y, expected, atol=1e-12)


@given(sizes, sizes, sizes, sizes, seeds)
def test_resize_nearest_takes_one_pixel(h, w, height, width, seed):
    x = image(seed, h, w)
    y = F.resize(x, (height, width), T.InterpolationMode.NEAREST)
    for i in range(height):
        for j in range(width):
            assert y[i, j] == x[i * h // height, j * w // width]


@pytest.mark.parametrize("mode", list(T.InterpolationMode))
@pytest.mark.parametrize("antialias", [True, False])
def test_resize_matches_torch(mode, antialias):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).random((2, 3, 13, 17)).astype(np.float32)
    smooth = mode.value in ("bilinear", "bicubic")
    for size in [(5, 4), (20, 31), (13, 6), (1, 40)]:
        expected = torch.nn.functional.interpolate(
            torch.from_numpy(x), size, mode=mode.value, antialias=antialias and smooth,
            align_corners=False if smooth else None,
        )
        y = F.resize(tensor(x), size, mode, antialias=antialias).numpy()
        np.testing.assert_allclose(y, expected.numpy(), atol=2e-6)


@pytest.mark.parametrize(("shape", "size", "max_size", "expected"), [
    ((40, 20), 10, None, (20, 10)), ((20, 40), 10, None, (10, 20)),
    ((20, 40), (10,), None, (10, 20)),
    ((15, 20), 10, None, (10, 13)), ((20, 40), 10, 15, (7, 15)), ((20, 40), (3, 4), None, (3, 4)),
])
def test_resize_by_one_number_keeps_the_aspect_ratio(shape, size, max_size, expected):
    assert F.resize(image(0, *shape), size, max_size=max_size).shape == expected


def test_resize_rounds_integers_and_stays_in_range():
    x = np.array([[0, 255]], np.uint8)
    y = F.resize(x, (1, 40), T.InterpolationMode.BICUBIC, antialias=False)
    assert y.dtype == np.uint8
    assert y[0, 0] == 0 and y[0, -1] == 255  # bicubic overshoots here


def test_rotate_by_right_angles_matches_rot90():
    x = image(0, 3, 5, 5)
    for turns in range(-3, 4):
        for mode in (T.InterpolationMode.NEAREST, T.InterpolationMode.BILINEAR):
            y = F.rotate(tensor(x), 90.0 * turns, mode).numpy()
            np.testing.assert_array_equal(y, np.rot90(x, turns, (1, 2)))


def test_rotate_expands_to_hold_the_whole_image():
    x = image(0, 3, 4, 8)  # an odd difference would centre it between pixels, one row larger
    np.testing.assert_array_equal(
        F.rotate(tensor(x), 90, expand=True).numpy(), np.rot90(x, 1, (1, 2))
    )
    turned = F.rotate(tensor(np.ones((1, 10, 10), np.float32)), 45, expand=True, fill=0.5).numpy()
    assert turned.shape[1] >= 14 and turned[0, 0, 0] == 0.5 and turned[0, 7, 7] == 1


# values -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "expected"), [
    ((5, 6), (1, 5, 6)), ((5, 6, 3), (3, 5, 6)), ((5, 6, 1), (1, 5, 6)),
    ((2, 5, 6), (2, 1, 5, 6)), ((2, 5, 6, 3), (2, 3, 5, 6)), ((0, 5, 6, 3), (0, 3, 5, 6)),
])
def test_to_tensor_puts_channels_first_and_scales(shape, expected):
    x = image(0, *shape)
    y = T.ToTensor()(x)
    assert isinstance(y, minigrad.Tensor) and tuple(y.shape) == expected
    assert y.dtype == np.float32 and y.numpy().flags.c_contiguous
    moved = x if x.ndim == 2 or shape == (2, 5, 6) else np.moveaxis(x, -1, -3)
    np.testing.assert_array_equal(
        y.numpy(), (moved.reshape(expected).astype(np.float32) / np.float32(255))
    )


def test_to_tensor_keeps_other_dtypes_and_owns_its_memory():
    for dtype in (np.float32, np.float64, np.int64, np.bool_):
        x = np.ones((2, 3), dtype)
        y = F.to_tensor(x)
        assert y.dtype == dtype
        x[:] = 0
        assert y.numpy().all()


@given(st.integers(1, 4), seeds)
def test_normalize_matches_loops(channels, seed):
    rng = np.random.default_rng(seed)
    x = rng.random((2, channels, 3, 4)).astype(np.float32)
    mean, std = rng.random(channels).tolist(), (rng.random(channels) + 0.1).tolist()
    y = F.normalize(tensor(x), mean, std).numpy()
    for c in range(channels):
        np.testing.assert_allclose(y[:, c], (x[:, c] - mean[c]) / std[c], rtol=1e-5, atol=1e-6)


def test_normalize_in_place_writes_and_otherwise_does_not():
    x = tensor(np.ones((1, 2, 2), np.float32))
    before = x.numpy().copy()
    F.normalize(x, [0.5], [0.5])
    np.testing.assert_array_equal(x.numpy(), before)
    y = F.normalize(x, [0.0], [0.5], inplace=True)
    assert y is x and (x.numpy() == 2).all()


def test_convert_image_dtype_scales_between_ranges():
    x = np.array([[0, 127, 255]], np.uint8)
    as_float = F.convert_image_dtype(tensor(x), minigrad.float32)
    np.testing.assert_allclose(as_float.numpy(), x / 255.0, rtol=1e-6)
    np.testing.assert_array_equal(F.convert_image_dtype(as_float, "uint8").numpy(), x)
    np.testing.assert_array_equal(
        F.convert_image_dtype(tensor(x), "int16").numpy(), x.astype(np.int16) * 128
    )
    with pytest.raises(RuntimeError, match="cannot be performed safely"):
        F.convert_image_dtype(as_float, minigrad.int64)


def test_erase_writes_the_box_and_nothing_else():
    x = np.random.default_rng(0).random((2, 3, 6, 7)).astype(np.float32)
    v = np.arange(3, dtype=np.float32)[:, None, None]
    y = F.erase(tensor(x), 1, 2, 3, 4, tensor(v)).numpy()
    expected = x.copy()
    expected[:, :, 1:4, 2:6] = v
    np.testing.assert_array_equal(y, expected)
    with pytest.raises(ValueError, match="box must lie within the image"):
        F.erase(tensor(x), 4, 0, 3, 1, 0)
    with pytest.raises(ValueError, match="v must broadcast"):
        F.erase(tensor(x), 0, 0, 2, 2, np.zeros((5, 1, 1)))


# one image, a batch, and the kinds of images ----------------------------------------------------

DETERMINISTIC = [
    T.Pad(2), T.Pad((1, 2), 5, "edge"), T.CenterCrop(4), T.CenterCrop(12), T.Resize(5),
    T.Resize((3, 11)), T.Resize(4, T.InterpolationMode.NEAREST), T.RandomHorizontalFlip(1.0),
    T.RandomVerticalFlip(1.0), T.RandomHorizontalFlip(0.0), T.RandomCrop((7, 9)),
    T.RandomRotation((30, 30)),
]


@pytest.mark.parametrize("transform", DETERMINISTIC, ids=repr)
def test_a_batch_is_transformed_as_its_images_are(transform):
    x = image(3, 4, 7, 9, 3)
    together = transform(x)
    alone = np.stack([transform(one) for one in x])
    np.testing.assert_array_equal(together, alone)
    grey = transform(x[..., 0])
    np.testing.assert_array_equal(grey, alone[..., 0])
    channels_first = tensor(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    np.testing.assert_array_equal(transform(channels_first).numpy(), alone.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("transform", DETERMINISTIC, ids=repr)
def test_inputs_are_not_changed(transform):
    x = image(3, 4, 7, 9, 3)
    before = x.copy()
    out = transform(x)
    out[...] = 1
    if out is not x:  # a flip that is not drawn returns its argument, as torchvision's does
        np.testing.assert_array_equal(x, before)


def test_leading_dims_of_a_tensor_are_kept():
    x = tensor(image(0, 2, 5, 3, 6, 7))
    assert tuple(T.CenterCrop(4)(x).shape) == (2, 5, 3, 4, 4)
    assert tuple(T.Pad(1)(tensor(image(0, 6, 7))).shape) == (8, 9)
    assert tuple(T.Pad(1)(tensor(np.zeros((0, 3, 6, 7), np.uint8))).shape) == (0, 3, 8, 9)


def test_pil_images_stay_pil_images():
    pil = pytest.importorskip("PIL.Image")
    x = image(0, 6, 8, 3)
    picture = pil.fromarray(x)
    for transform in (T.Pad(2), T.CenterCrop(4), T.Resize((3, 4)), T.RandomHorizontalFlip(1.0)):
        out = transform(picture)
        assert out.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(out), transform(x))
    np.testing.assert_array_equal(T.ToTensor()(picture).numpy(), T.ToTensor()(x).numpy())
    assert set(np.unique(F.to_tensor(picture.convert("1")).numpy())) <= {0.0, 1.0}
    with pytest.raises(ValueError, match=r"got mode 'P'. Use img.convert\('RGB'\)"):
        F.to_tensor(picture.convert("P"))
    with pytest.raises(TypeError, match=r"Put ToTensor\(\) before"):
        T.Normalize((0.5,), (0.5,))(picture)


# what is said about wrong arguments -------------------------------------------------------------

GREY = np.zeros((4, 5), np.uint8)
FLOATS = np.zeros((3, 4, 5), np.float32)


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: F.pad(GREY, "a"), TypeError, "padding must be an int"),
    (lambda: F.pad(GREY, (1, 2, 3)), ValueError, "1, 2, or 4 element tuple, not a 3 element"),
    (lambda: F.pad(GREY, 1, 0, "circle"), ValueError, "constant, edge, reflect or symmetric"),
    (lambda: F.pad(GREY, 1, (1, 2)), ValueError, "one for each of the 1 channels; got 2"),
    (lambda: F.pad(GREY, 1, 300), ValueError, "within 0 to 255"),
    (lambda: F.pad(GREY, -3), ValueError, "leaves no pixels"),
    (lambda: F.pad([1], 1), TypeError, "must be a Tensor, an ndarray or a PIL image; got list"),
    (lambda: F.pad(np.zeros(3), 1), ValueError, r"\(H, W\) or \(H, W, C\)"),
    (lambda: F.crop(GREY, 0, 0, 0, 3), ValueError, "box must hold a pixel"),
    (lambda: F.resize(GREY, "8"), TypeError, "size should be int or sequence"),
    (lambda: F.resize(GREY, 0), ValueError, "at least 1 pixel"),
    (lambda: F.resize(GREY, (1, 2, 3)), ValueError, "only two dimensions"),
    (lambda: F.resize(GREY, (1, 2), max_size=3), ValueError, "max_size should only be passed"),
    (lambda: F.resize(GREY, 5, max_size=4), ValueError, "strictly greater"),
    (lambda: F.resize(GREY, 5, "bilinear"), TypeError, "should be an InterpolationMode|must be"),
    (lambda: F.resize(np.zeros((0, 3)), 5), ValueError, "must hold pixels"),
    (lambda: F.rotate(GREY, "a"), TypeError, "angle should be int or float"),
    (lambda: F.rotate(GREY, 1, T.InterpolationMode.BICUBIC), ValueError, "NEAREST or BILINEAR"),
    (lambda: F.rotate(GREY, 1, center=3), TypeError, "center should be a sequence"),
    (lambda: F.to_tensor([[1]]), TypeError, "pic should be PIL Image or ndarray; got list"),
    (lambda: F.to_tensor(tensor(GREY)), TypeError, "It is a Tensor already"),
    (lambda: F.to_tensor(np.zeros(3)), ValueError, "got shape"),
    (lambda: F.to_tensor(np.zeros((2, 2), "U1")), TypeError, "must be one of"),
    (lambda: F.normalize(GREY, [0], [1]), TypeError, r"should be a float tensor; got uint8"),
    (lambda: F.normalize(tensor(FLOATS), [0], [0]), ValueError, "std evaluated to zero"),
    (lambda: F.normalize(tensor(FLOATS), [0, 1], [1]), ValueError, "3 channels; got 2"),
    (lambda: F.normalize(tensor(FLOATS[0]), [0], [1]), ValueError, r"\(..., C, H, W\)"),
    (lambda: T.RandomCrop(9)(GREY), ValueError, r"required crop size \(9, 9\) is larger than"),
    (lambda: T.RandomCrop(2.5), TypeError, "size should be int"),
    (lambda: T.RandomHorizontalFlip(1.5), ValueError, "between 0 and 1"),
    (lambda: T.Pad(1, fill="x"), TypeError, "inappropriate fill"),
    (lambda: T.Lambda(3), TypeError, "lambd should be callable"),
    (lambda: T.Compose(T.ToTensor()), TypeError, "transforms must be a list"),
    (lambda: T.Compose([3]), TypeError, "every transform must be callable"),
    (lambda: T.RandomErasing(value="white"), ValueError, "should be 'random'"),
    (lambda: T.RandomErasing(scale=(0.1, 2)), ValueError, "scale should be between 0 and 1"),
    (lambda: T.RandomErasing(p=2), ValueError, "between 0 and 1"),
    (lambda: T.RandomErasing(scale=3), TypeError, "scale should be a sequence"),
    (lambda: T.RandomErasing(1.0, value=(1, 2))(tensor(FLOATS)), ValueError, "3 .number of input"),
    (lambda: T.RandomRotation(-3), ValueError, "must be positive"),
    (lambda: T.RandomRotation("a"), TypeError, "degrees should be a number or"),
    (lambda: T.RandomRotation(5, expand=True)(np.zeros((2, 4, 5, 3))), ValueError, "cannot be exp"),
])
def test_wrong_arguments_are_told(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_tensor_that_requires_grad_is_refused():
    x = tensor(FLOATS.copy())
    x.requires_grad = True
    with pytest.raises(RuntimeError, match=r"record no gradients.*img.detach\(\)"):
        T.Pad(1)(x)


@pytest.mark.parametrize(("transform", "text"), [
    (T.ToTensor(), "ToTensor()"),
    (T.Normalize((0.5,), (0.1,)), "Normalize(mean=(0.5,), std=(0.1,))"),
    (T.RandomCrop(32, padding=4), "RandomCrop(size=(32, 32), padding=4)"),
    (T.RandomHorizontalFlip(), "RandomHorizontalFlip(p=0.5)"),
    (T.CenterCrop((3, 4)), "CenterCrop(size=(3, 4))"),
    (T.Pad(2), "Pad(padding=2, fill=0, padding_mode=constant)"),
    (T.Resize(9), "Resize(size=9, interpolation=bilinear, max_size=None, antialias=True)"),
    (T.RandomErasing(), "RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0, "
                        "inplace=False)"),
    (T.RandomRotation(9), "RandomRotation(degrees=[-9.0, 9.0], interpolation=nearest, "
                          "expand=False, fill=0)"),
    (T.Compose([T.ToTensor()]), "Compose(\n    ToTensor()\n)"),
])
def test_transforms_print_as_torchvisions_do(transform, text):
    assert repr(transform) == text


def test_dimensions_are_told_for_every_kind():
    assert F.get_dimensions(np.zeros((4, 5, 3))) == [3, 4, 5]
    assert F.get_dimensions(tensor(FLOATS)) == [3, 4, 5]
    assert F.get_image_size(GREY) == [5, 4]
