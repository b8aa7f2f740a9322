"""Unfolding, resizing and accumulation by index against nested loops and as adjoint pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.kernels import index, resample

small = settings(max_examples=40, deadline=None)
edge = st.integers(1, 9)


@small
@given(edge, edge, st.integers(1, 3), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2))
def test_unfold_matches_nested_loops_and_fold_is_its_adjoint(h, w, k, stride, pad, dil):
    if min(h, w) + 2 * pad < dil * (k - 1) + 1:
        h = w = dil * (k - 1) + 1
    rng = np.random.default_rng(h * 10 + w)
    x = rng.normal(size=(2, 3, h, w))
    how = ((k, k), (stride, stride), (pad, pad), (dil, dil))
    cols = resample.unfold(x, *how)
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    oh, ow = ((s + 2 * pad - dil * (k - 1) - 1) // stride + 1 for s in (h, w))
    assert cols.shape == (2, 3 * k * k, oh * ow)
    for n, c, u, v, i, j in np.ndindex(2, 3, k, k, oh, ow):
        value = padded[n, c, i * stride + u * dil, j * stride + v * dil]
        assert cols[n, (c * k + u) * k + v, i * ow + j] == value
    g = rng.normal(size=cols.shape)
    assert abs(np.vdot(resample.fold(g, (h, w), *how), x) - np.vdot(cols, g)) < 1e-9


@small
@given(edge, edge, edge, edge, st.booleans())
def test_resizing_and_its_gradient_are_adjoint(h, w, oh, ow, align):
    rng = np.random.default_rng(h + w)
    x, g = rng.normal(size=(2, 3, h, w)), rng.normal(size=(2, 3, oh, ow))
    near, soft = resample.nearest(x, (oh, ow)), resample.bilinear(x, (oh, ow), align)
    assert near.shape == soft.shape == g.shape
    back = resample.nearest_grad(g, (h, w)), resample.bilinear_grad(g, (h, w), align)
    assert abs(np.vdot(back[0], x) - np.vdot(near, g)) < 1e-9
    assert abs(np.vdot(back[1], x) - np.vdot(soft, g)) < 1e-9


def test_bilinear_is_exact_on_a_plane_and_meets_the_corners():
    i, j = np.mgrid[0:4, 0:5].astype(float)
    x = (2 * i - 3 * j)[None, None]
    y = resample.bilinear(x, (7, 9), True)[0, 0]
    a, b = np.mgrid[0:7, 0:9]
    np.testing.assert_allclose(y, 2 * a * 3 / 6 - 3 * b * 4 / 8, atol=1e-12)
    np.testing.assert_array_equal(resample.bilinear(x, (4, 5), False), x)


@pytest.mark.parametrize("scales", [(None, None), (2.0, 1.5), (0.5, 0.7)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_resizing_agrees_with_pytorch(scales, dtype):
    torch = pytest.importorskip("torch")
    resize = torch.nn.functional.interpolate
    x = np.random.default_rng(0).normal(size=(1, 2, 6, 10)).astype(dtype)
    size = {"size": (5, 13)} if scales[0] is None else {"scale_factor": scales}
    near = resize(torch.from_numpy(x), mode="nearest", **size).numpy()
    np.testing.assert_array_equal(resample.nearest(x, near.shape[2:], scales), near)
    for align in (False, True):
        soft = resize(torch.from_numpy(x), mode="bilinear", align_corners=align, **size).numpy()
        ours = resample.bilinear(x, soft.shape[2:], align, scales)
        np.testing.assert_allclose(ours, soft, atol=1e-6 if dtype == "float32" else 1e-12)


@small
@given(st.lists(st.integers(0, 4), max_size=30), st.sampled_from([(), (3,), (2, 2), (0,)]))
def test_scatter_add_matches_a_loop(places, tail):
    rng = np.random.default_rng(len(places))
    idx, src = np.array(places, np.int64), rng.normal(size=(len(places), *tail))
    out = rng.normal(size=(5, *tail))
    expected = out.copy()
    for place, row in zip(places, src, strict=True):
        expected[place] += row
    assert index.scatter_add(out, idx, src) is out
    np.testing.assert_array_equal(out, expected)
