"""The neural ops beyond their samples: messages, edges, running statistics, memory, seeds."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.autograd import grad, gradcheck, gradgradcheck
from minigrad.errors import GradientError, ShapeError
from minigrad.kernels import activation as kernels


def zeros(*shape: int, **options: object) -> mg.Tensor:
    return mg.zeros(*shape, **options)


def randn(*shape: int, seed: int = 0) -> mg.Tensor:
    x = np.random.default_rng(seed).standard_normal(shape)
    return mg.tensor(x, requires_grad=True)


IMAGE, FILTERS = zeros(2, 3, 8, 8), zeros(4, 3, 3, 3)

SHAPES = {
    "conv: channels": (
        lambda: F.conv2d(zeros(2, 4, 8, 8), FILTERS),
        r"conv2d: input must have 3 channels .*; got 4 channels: input \(2, 4, 8, 8\), weight "
        r"\(4, 3, 3, 3\), groups 1. Give the layer in_channels=4",
    ),
    "conv: channels last": (lambda: F.conv2d(zeros(2, 8, 8, 3), FILTERS), r"permute\(0, 3, 1, 2\)"),
    "conv: rank": (lambda: F.conv2d(zeros(8, 8), FILTERS), r"\(N, C, H, W\) or, for one sample"),
    "conv: weight rank": (lambda: F.conv2d(IMAGE, zeros(4, 3, 3)), "weight must be .F, C/groups"),
    "conv: groups": (lambda: F.conv2d(IMAGE, zeros(4, 1, 3, 3), groups=3), "must divide the 4"),
    "conv: stride": (lambda: F.conv2d(IMAGE, FILTERS, stride=0), "stride must be at least 1; got"),
    "conv: padding": (lambda: F.conv2d(IMAGE, FILTERS, padding=-1), "padding must be at least 0"),
    "conv: how many": (lambda: F.conv2d(IMAGE, FILTERS, stride=(1, 1, 1)), "an int or 2 ints"),
    "conv: bias": (lambda: F.conv2d(IMAGE, FILTERS, zeros(3)), r"bias must be \(4,\)"),
    "conv: window": (lambda: F.conv2d(IMAGE, zeros(4, 3, 9, 9)), r"fit the padded image.*\(8, 8\)"),
    "conv: same": (lambda: F.conv2d(IMAGE, FILTERS, None, 2, "same"), "not supported for strided"),
    "conv: mode": (lambda: F.conv2d(IMAGE, FILTERS, None, 1, "full"), "'valid' or 'same'"),
    "conv: nothing": (lambda: F.conv2d(zeros(2, 3, 0, 8), FILTERS), "only the batch may be empty"),
    "conv_transpose: output_padding": (
        lambda: F.conv_transpose2d(zeros(2, 4, 5, 5), FILTERS, output_padding=1),
        "output_padding must be less than stride or dilation",
    ),
    "conv_transpose: size": (
        lambda: F.conv_transpose2d(zeros(2, 4, 1, 1), FILTERS, padding=2), "at least one pixel"
    ),
    "pool: padding": (lambda: F.max_pool2d(IMAGE, 3, padding=2), "at most half of kernel_size"),
    "pool: window": (lambda: F.avg_pool2d(IMAGE, 9), "must fit the padded image"),
    "pool: kernel": (lambda: F.max_pool2d(IMAGE, 0), "kernel_size must be at least 1"),
    "pool: divisor": (lambda: F.avg_pool2d(IMAGE, 2, divisor_override=0), "must not be zero"),
    "pool: nothing": (lambda: F.max_pool2d(zeros(2, 0, 8, 8), 2), "only the batch may be empty"),
    "adaptive: size": (lambda: F.adaptive_avg_pool2d(IMAGE, (1, 2, 3)), "an int or 2 of them"),
    "pad: mode": (lambda: F.pad(IMAGE, (1, 1), "mirror"), "mode must be one of constant, reflect"),
    "pad: odd": (lambda: F.pad(IMAGE, (1, 1, 1)), "a pair for each padded dim"),
    "pad: reflect": (lambda: F.pad(zeros(2, 3, 4), (4, 0), "reflect"), "at most 3 elements"),
    "pad: value": (lambda: F.pad(zeros(2, 3), (1, 1), "reflect", 2.0), "only mode 'constant'"),
    "pad: crop": (lambda: F.pad(zeros(2, 3), (-2, -2)), "must not crop more than dim 1 holds"),
    "fold: columns": (lambda: F.fold(zeros(1, 12, 5), 4, 2), r"3 · 3 = 9 columns"),
    "interpolate: both": (lambda: F.interpolate(IMAGE, 3, 2.0), "exactly one of size and"),
    "interpolate: corners": (
        lambda: F.interpolate(IMAGE, 3, align_corners=True), "can only be set with mode 'linear'"
    ),
    "batch_norm: one value": (
        lambda: F.batch_norm(zeros(1, 3, 1, 1), None, None, training=True),
        "expected more than 1 value per channel when training; got input",
    ),
    "batch_norm: sizes": (
        lambda: F.batch_norm(IMAGE, None, None, zeros(4), None, True), r"weight must be \(3,\)"
    ),
    "batch_norm: statistics": (lambda: F.batch_norm(IMAGE, None, None), "are needed unless train"),
    "layer_norm: shape": (lambda: F.layer_norm(IMAGE, (8, 7)), "last dims must be normalized_sh"),
    "group_norm: groups": (lambda: F.group_norm(IMAGE, 2), "must divide the 3 channels"),
    "dropout: p": (lambda: F.dropout(IMAGE, 1.5), "has to be between 0 and 1; got p 1.5"),
    "cross_entropy: target": (
        lambda: F.cross_entropy(zeros(4, 5), zeros(4, 1).long()), r"Use target.squeeze\(1\)"
    ),
    "cross_entropy: weight": (
        lambda: F.cross_entropy(zeros(4, 5), zeros(4).long(), zeros(3)), "one per class"
    ),
    "cross_entropy: smoothing": (
        lambda: F.cross_entropy(zeros(4, 5), zeros(4).long(), label_smoothing=2.0), "between 0 and"
    ),
    "loss: reduction": (lambda: F.mse_loss(IMAGE, IMAGE, reduction="avg"), "'none', 'mean', 'sum'"),
    "bce: range": (
        lambda: F.binary_cross_entropy(mg.tensor([1.5]), mg.tensor([1.0])),
        "all elements of input should be between 0 and 1; got 1.5. For scores",
    ),
    "bce: shapes": (
        lambda: F.binary_cross_entropy_with_logits(zeros(4, 1), zeros(4)), "must have one shape"
    ),
    "multi_margin: p": (lambda: F.multi_margin_loss(zeros(1, 2), zeros(1).long(), 3), "1 or 2"),
    "prelu: weight": (lambda: F.prelu(IMAGE, zeros(4)), "one slope per channel"),
    "glu: odd": (lambda: F.glu(zeros(2, 3)), "must have an even size"),
    "gelu: approximate": (lambda: F.gelu(IMAGE, approximate="erf"), "'none' or 'tanh'"),
    "one_hot: none": (lambda: F.one_hot(zeros(0).long()), "num_classes must be given"),
    "embedding: weight": (lambda: F.embedding(zeros(1).long(), zeros(3)), r"weight must be \(V, D"),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_wrong_shapes_and_values_say_what_must_hold(name: str) -> None:
    call, message = SHAPES[name]
    with pytest.raises(ShapeError, match=message):
        call()


TYPES = {
    "conv: integers": (lambda: F.conv2d(IMAGE.long(), FILTERS), r"Use input.float\(\)"),
    "conv: dtypes": (lambda: F.conv2d(IMAGE.double(), FILTERS), r"one dtype; got input of dtype "),
    "conv: ndarray": (lambda: F.conv2d(IMAGE.numpy(), FILTERS), "input must be a Tensor; got nda"),
    "conv: float stride": (lambda: F.conv2d(IMAGE, FILTERS, stride=1.5), "stride must be an int"),
    "pool: integers": (lambda: F.max_pool2d(IMAGE.int(), 2), "must be floating"),
    "cross_entropy: int32": (
        lambda: F.cross_entropy(zeros(4, 5), zeros(4).int()), r"int64; got .*int32.*target.long"
    ),
    "cross_entropy: float": (lambda: F.cross_entropy(zeros(4, 5), zeros(4)), "must be int64"),
    "cross_entropy: one-hot": (
        lambda: F.cross_entropy(zeros(4, 5), zeros(4, 5).long()), r"target.argmax\(1\)"
    ),
    "embedding: float": (lambda: F.embedding(zeros(2), zeros(3, 2)), r"Use input.long\(\)"),
    "pad: float": (lambda: F.pad(IMAGE, (1.0, 1.0)), "a sequence of ints"),
    "softmax: integers": (lambda: F.softmax(zeros(3).long(), 0), "must be floating"),
    "leaky_relu: integers": (lambda: F.leaky_relu(zeros(3).long()), "must be floating"),
}  # fmt: skip


@pytest.mark.parametrize("name", TYPES)
def test_wrong_dtypes_say_how_to_convert(name: str) -> None:
    call, message = TYPES[name]
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize("wrong", [-1, 5, 10])
def test_class_out_of_range_names_it_and_the_number_of_classes(wrong: int) -> None:
    target = mg.tensor([0, wrong])
    for loss in (F.cross_entropy, F.nll_loss, F.multi_margin_loss):
        with pytest.raises(IndexError, match=rf"target {wrong} is out of bounds.*for 5 classes"):
            loss(zeros(2, 5), target)
    with pytest.raises(IndexError, match=rf"rows of weight \(5, 2\); got {wrong}"):
        F.embedding(target, zeros(5, 2))
    with pytest.raises(IndexError, match=rf"for 5 classes; got {wrong}"):
        F.one_hot(target, 5)


def test_interpolate_refuses_what_it_cannot_do() -> None:
    with pytest.raises(NotImplementedError, match="mode must be one of nearest, nearest-exact"):
        F.interpolate(IMAGE, 3, mode="bicubic")
    with pytest.raises(NotImplementedError, match="'linear' takes 3 dims"):
        F.interpolate(IMAGE, 3, mode="linear")


EMPTY = {
    "conv2d": lambda x: F.conv2d(x, zeros(4, 3, 3, 3), zeros(4)),
    "conv_transpose2d": lambda x: F.conv_transpose2d(x, zeros(3, 4, 3, 3)),
    "max_pool2d": lambda x: F.max_pool2d(x, 2),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 2),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, 1),
    "batch_norm": lambda x: F.batch_norm(x, zeros(3), zeros(3), zeros(3), zeros(3), True),
    "layer_norm": lambda x: F.layer_norm(x, (8, 8)),
    "group_norm": lambda x: F.group_norm(x, 3),
    "instance_norm": lambda x: F.instance_norm(x),
    "local_response_norm": lambda x: F.local_response_norm(x, 2),
    "pad": lambda x: F.pad(x, (1, 1, 1, 1), "reflect"),
    "unfold": lambda x: F.unfold(x, 2),
    "interpolate": lambda x: F.interpolate(x, 4, mode="bilinear"),
    "dropout": lambda x: F.dropout(x),
    "relu": lambda x: F.relu(x),
    "softmax": lambda x: F.softmax(x, 1),
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_batch_works_forward_and_backward(name: str) -> None:
    x = zeros(0, 3, 8, 8, requires_grad=True)
    y = EMPTY[name](x)
    assert y.shape[0] == 0
    y.sum().backward()
    assert x.grad is not None and x.grad.shape == x.shape


def test_mean_loss_of_nothing_is_nan_and_its_sum_zero() -> None:
    x, t = zeros(0, 5), zeros(0).long()
    assert math.isnan(F.cross_entropy(x, t).item())
    assert F.cross_entropy(x, t, reduction="sum").item() == 0
    all_ignored = F.cross_entropy(zeros(2, 5), mg.tensor([-100, -100]))
    assert math.isnan(all_ignored.item())


def test_ignored_rows_get_a_gradient_of_zero_even_if_all_are_ignored() -> None:
    for target in ([1, -100], [-100, -100]):
        x = randn(2, 5)
        F.cross_entropy(x, mg.tensor(target), label_smoothing=0.1).backward()
        assert np.all(x.grad.numpy()[1] == 0) and np.all(np.isfinite(x.grad.numpy()))


def test_cross_entropy_is_exact_for_huge_scores() -> None:
    x = mg.tensor([[1e4, 0.0, -1e4]], requires_grad=True)
    loss = F.cross_entropy(x, mg.tensor([1]))
    loss.backward()
    assert loss.item() == 1e4
    assert np.array_equal(x.grad.numpy(), [[1.0, -1.0, 0.0]])


def test_softmax_survives_infinities() -> None:
    x = mg.tensor([[1e4, 0.0, -1e4], [-math.inf, 0.0, 0.0]])
    assert np.array_equal(F.softmax(x, 1).numpy(), [[1, 0, 0], [0, 0.5, 0.5]])


# values at kinks, ties and NaN --------------------------------------------------------------------


def test_relu_stops_the_gradient_at_zero_and_passes_nan() -> None:
    x = mg.tensor([-1.0, 0.0, 2.0, math.nan, math.inf], requires_grad=True)
    y = F.relu(x)
    y.backward(mg.ones(5))
    assert np.array_equal(y.detach().numpy(), [0, 0, 2, math.nan, math.inf], equal_nan=True)
    assert np.array_equal(x.grad.numpy(), [0, 0, 1, 1, 1])


def test_dead_unit_gives_zero_even_for_an_infinite_cotangent() -> None:
    x = mg.tensor([-1.0, 1.0], requires_grad=True)
    F.relu(x).backward(mg.tensor([math.inf, 1.0]))
    assert np.array_equal(x.grad.numpy(), [0.0, 1.0])


def test_first_of_equal_elements_wins_the_maximum_and_its_gradient() -> None:
    x = mg.ones(1, 1, 2, 2, requires_grad=True)
    y, where = F.max_pool2d(x, 2, return_indices=True)
    y.sum().backward()
    assert where.item() == 0
    assert np.array_equal(x.grad.numpy()[0, 0], [[1, 0], [0, 0]])


def test_padding_never_wins_the_maximum() -> None:
    y = F.max_pool2d(-mg.ones(1, 1, 2, 2), 2, 1, 1)
    assert np.array_equal(y.numpy(), -np.ones((1, 1, 3, 3)))


@given(st.integers(0, 9000), st.sampled_from([0.0, -math.inf]), st.sampled_from([math.inf, 1.0]))
def test_compiled_passing_agrees_with_its_reference(size: int, low: float, high: float) -> None:
    rng = np.random.default_rng(size)
    g, x = rng.standard_normal((2, size)).astype(np.float32)
    x[: size // 3] = rng.choice([low, high, math.nan], size // 3)
    for factors in ((1.0, 0.0), (0.5, 2.0), (0.0, 1.0)):
        got = kernels.passing(g, x, low, high, *factors)
        bounds = (math.nan if math.isinf(v) else v for v in (low, high))
        assert np.array_equal(got, kernels.passing_reference(g, x, *bounds, *factors))


# running statistics -------------------------------------------------------------------------------


@given(st.integers(0, 99), st.sampled_from([0.1, 0.0, 1.0]))
def test_running_statistics_follow_the_unbiased_variance(seed: int, momentum: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((4, 3, 2, 5))
    mean, var = mg.tensor(rng.standard_normal(3)), mg.tensor(rng.uniform(1, 2, 3))
    before = mean.numpy().copy(), var.numpy().copy()
    F.batch_norm(mg.tensor(x), mean, var, training=True, momentum=momentum)
    flat = x.transpose(1, 0, 2, 3).reshape(3, -1)
    for now, old, batch in zip((mean, var), before, (flat.mean(1), flat.var(1, ddof=1))):
        assert np.allclose(now.numpy(), (1 - momentum) * old + momentum * batch, rtol=1e-12)


def test_evaluation_uses_running_statistics_and_leaves_them() -> None:
    x, mean, var = randn(4, 3), mg.tensor([0.0, 1.0, 2.0]).double(), mg.tensor([1.0, 4.0, 9.0])
    var = var.double()
    y = F.batch_norm(x, mean, var, eps=0.0)
    expected = (x.detach().numpy() - [0, 1, 2]) / [1, 2, 3]
    assert np.allclose(y.detach().numpy(), expected, rtol=1e-12)
    assert mean.tolist() == [0, 1, 2] and var.tolist() == [1, 4, 9]


def test_empty_batch_leaves_running_statistics_alone() -> None:
    mean, var = mg.zeros(3), mg.ones(3)
    F.batch_norm(zeros(0, 3), mean, var, training=True)
    assert mean.tolist() == [0, 0, 0] and var.tolist() == [1, 1, 1]


def test_change_of_running_statistics_is_noticed_by_a_graph_that_needs_them() -> None:
    mean, w = mg.zeros(3), mg.ones(3, requires_grad=True)
    loss = (w * mean).sum()
    F.batch_norm(mg.rand(4, 3), mean, mg.ones(3), training=True)
    with pytest.raises(GradientError, match="running statistics"):
        loss.backward()


def test_instance_norm_averages_running_statistics_over_the_batch() -> None:
    x, mean, var = randn(4, 3, 5), mg.zeros(3).double(), mg.ones(3).double()
    F.instance_norm(x, mean, var, momentum=1.0)
    a = x.detach().numpy()
    assert np.allclose(mean.numpy(), a.mean((0, 2)))
    assert np.allclose(var.numpy(), a.var(2, ddof=1).mean(0))


def test_batch_norm_is_exact_far_from_zero() -> None:
    x = mg.tensor(1e4 + np.random.default_rng(0).standard_normal((64, 1)).astype(np.float32))
    y = F.batch_norm(x, None, None, training=True)
    assert abs(y.mean().item()) < 1e-3 and abs(y.var(unbiased=False).item() - 1) < 1e-3


# second derivatives of fused ops ------------------------------------------------------------------


@pytest.mark.parametrize("op", [
    lambda x: F.batch_norm(x, None, None, training=True, eps=0.1),
    lambda x: F.layer_norm(x, (4,), eps=0.1),
    lambda x: F.cross_entropy(x, mg.tensor([0, 3, 1]), reduction="none", label_smoothing=0.2),
    lambda x: F.softmax(x, 1),
    lambda x: F.gelu(x),
    lambda x: F.elu(x),
])  # fmt: skip
def test_fused_gradient_can_be_differentiated_when_its_cotangent_depends_on_the_input(op) -> None:
    def cube(x: mg.Tensor) -> mg.Tensor:
        y = op(x)
        return (y * y * y).sum()

    x = randn(3, 4)
    assert gradcheck(cube, (x,)) and gradgradcheck(cube, (x,))


def test_third_derivative_through_batch_norm_agrees_with_plain_ops() -> None:
    def plain(x: mg.Tensor) -> mg.Tensor:
        return (x - x.mean(0)) / (x.var(0, unbiased=False) + 0.1).sqrt()

    def third(op) -> np.ndarray:
        x = randn(4, 2)
        v = (op(x) ** 3).sum()
        for _ in range(3):
            (g,) = grad(v, x, create_graph=True)
            v = (g * g.detach().cos()).sum()
        return v.detach().numpy()

    fused = third(lambda x: F.batch_norm(x, None, None, training=True, eps=0.1))
    assert np.allclose(fused, third(plain), rtol=1e-9)


# memory -------------------------------------------------------------------------------------------


def kept(t: mg.Tensor) -> list[tuple[int, ...]]:
    """Shapes of the arrays that the node of t keeps for its gradient."""
    node = t.grad_fn
    held = [k._data.shape for k in node.kept if k is not None and hasattr(k, "_data")]
    outs = [o.shape for o in (getattr(node, "outs", None) or ()) if o is not None]
    return held + outs


def test_relu_keeps_its_output_alone() -> None:
    y = F.relu(randn(2, 3) * 1)
    assert kept(y) == [(2, 3)]
    assert y.grad_fn.kept[0] is None


def test_max_pool_keeps_a_byte_per_window_and_no_image() -> None:
    y = F.max_pool2d(randn(1, 1, 8, 8), 2)
    assert kept(y) == [] and [a.nbytes for a in y.grad_fn.byproducts] == [16]


def test_linear_ops_keep_nothing() -> None:
    x = randn(1, 1, 8, 8)
    for y in (F.avg_pool2d(x, 2), F.unfold(x, 2), F.pad(x, (1, 1)), F.interpolate(x, 4)):
        assert kept(y) == []


def test_conv_keeps_the_image_only_if_the_filters_learn() -> None:
    x, w = randn(1, 2, 8, 8), randn(3, 2, 3, 3)
    assert kept(F.conv2d(x, w)) == [(1, 2, 8, 8), (3, 2, 3, 3)]
    assert kept(F.conv2d(x, w.detach())) == [(3, 2, 3, 3)]
    assert kept(F.conv2d(x.detach(), w)) == [(1, 2, 8, 8)]


def test_dropout_keeps_one_byte_per_element() -> None:
    (mask,) = [k for k in F.dropout(randn(4, 4)).grad_fn.kept if k is not None]
    assert mask.dtype == mg.bool


# in place -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["relu", "relu6", "elu", "selu", "celu", "leaky_relu", "silu",
                                  "mish", "hardtanh", "hardswish", "hardsigmoid"])  # fmt: skip
def test_inplace_gives_the_same_values_and_gradients(name: str) -> None:
    op, x, z = getattr(F, name), randn(3, 4), randn(3, 4)
    y = op(x * 2)
    h = z * 2
    same = op(h, inplace=True)
    assert same is h and np.array_equal(y.detach().numpy(), h.detach().numpy())
    y.sum().backward()
    h.sum().backward()
    assert np.array_equal(x.grad.numpy(), z.grad.numpy())


def test_inplace_on_a_leaf_that_learns_is_an_error() -> None:
    with pytest.raises(GradientError, match="leaf"):
        F.relu(randn(3), inplace=True)


# dropout ------------------------------------------------------------------------------------------


def test_dropout_is_decided_by_the_seed() -> None:
    x = mg.ones(1000)
    mg.manual_seed(1)
    a, b = F.dropout(x), F.dropout(x)
    mg.manual_seed(1)
    assert np.array_equal(F.dropout(x).numpy(), a.numpy())
    assert not np.array_equal(a.numpy(), b.numpy())


def test_dropout_drops_p_and_scales_the_rest() -> None:
    mg.manual_seed(0)
    y = F.dropout(mg.ones(100_000), 0.3).numpy()
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.7)}
    assert abs((y == 0).mean() - 0.3) < 0.01


def test_dropout_at_its_limits() -> None:
    x = randn(5)
    assert F.dropout(x, training=False) is x
    assert np.array_equal(F.dropout(x, 0.0).detach().numpy(), x.detach().numpy())
    y = F.dropout(x, 1.0)
    y.sum().backward()
    assert not y.detach().numpy().any() and not x.grad.numpy().any()


def test_dropout2d_drops_whole_channels() -> None:
    y = F.dropout2d(mg.ones(8, 16, 3, 3), 0.5).numpy()
    assert np.all(y == y[:, :, :1, :1])
    with pytest.warns(UserWarning, match=r"taken as \(N, C, L\)"):
        F.dropout2d(mg.ones(2, 3, 4))


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    mg.manual_seed(0)
    x = mg.randn(200_000)
    y = F.alpha_dropout(x, 0.4, True)
    assert abs(y.mean().item()) < 0.02 and abs(y.std().item() - 1) < 0.02


def test_gumbel_softmax_draws_by_the_softmax() -> None:
    mg.manual_seed(0)
    logits = mg.tensor([0.0, 1.0, 2.0])
    picks = F.gumbel_softmax(logits.expand(20_000, 3), hard=True)
    assert np.allclose(picks.mean(0).numpy(), F.softmax(logits, 0).numpy(), atol=0.02)


# what else PyTorch does ---------------------------------------------------------------------------


def test_one_sample_is_a_batch_of_one_without_the_batch() -> None:
    x, w, b = randn(3, 8, 8), randn(4, 3, 3, 3), randn(4)
    for op in (
        lambda x: F.conv2d(x, w, b, padding="same"),
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.avg_pool2d(x, 2),
        lambda x: F.adaptive_avg_pool2d(x, 3),
        lambda x: F.unfold(x, 2),
    ):
        alone, batch = op(x).detach().numpy(), op(x.unsqueeze(0)).detach().numpy()
        assert np.array_equal(alone, batch[0])


def test_same_padding_puts_the_odd_zero_last() -> None:
    y = F.conv1d(mg.tensor([[[1.0, 2.0, 3.0]]]), mg.tensor([[[1.0, 10.0]]]), padding="same")
    assert y.tolist() == [[[21.0, 32.0, 3.0]]]


def test_padding_row_of_an_embedding_gets_no_gradient() -> None:
    w = mg.ones(4, 2, requires_grad=True)
    F.embedding(mg.tensor([0, 3, 3]), w, padding_idx=-1).sum().backward()
    assert w.grad.tolist() == [[1, 1], [0, 0], [0, 0], [0, 0]]


def test_max_norm_shortens_only_the_rows_that_are_picked() -> None:
    w = mg.tensor([[3.0, 4.0], [3.0, 4.0], [0.3, 0.4]])
    F.embedding(mg.tensor([0, 2]), w, max_norm=1.0)
    assert np.allclose(w.numpy(), [[0.6, 0.8], [3.0, 4.0], [0.3, 0.4]])


def test_losses_of_unlike_shapes_warn() -> None:
    with pytest.warns(UserWarning, match=r"input \(4, 1\), target \(4,\)"):
        F.mse_loss(zeros(4, 1), zeros(4))


def test_old_names_of_the_reduction_still_work() -> None:
    x, t = randn(3), randn(3, seed=1)
    with pytest.warns(UserWarning, match="use reduction='sum' instead"):
        old = F.mse_loss(x, t, size_average=False)
    assert old.item() == F.mse_loss(x, t, reduction="sum").item()


def test_implicit_dim_of_softmax_warns() -> None:
    with pytest.warns(UserWarning, match="dim 1 for an input of 2 dims is implicit"):
        assert np.allclose(F.softmax(randn(2, 3)).sum(1).detach().numpy(), 1)


def test_log_of_probability_zero_is_clamped_in_binary_cross_entropy() -> None:
    x = mg.tensor([0.0, 1.0], requires_grad=True)
    loss = F.binary_cross_entropy(x, mg.tensor([1.0, 0.0]), reduction="none")
    loss.sum().backward()
    assert loss.tolist() == [100, 100]
    assert np.all(np.isfinite(x.grad.numpy()))


def test_unpooling_puts_the_maxima_back() -> None:
    x = mg.tensor(np.arange(16.0).reshape(1, 1, 4, 4))
    y, where = F.max_pool2d(x, 2, return_indices=True)
    back = F.max_unpool2d(y, where, 2).numpy()[0, 0]
    assert back[1::2, 1::2].tolist() == [[5, 7], [13, 15]] and back.sum() == 40
    with pytest.raises(IndexError, match="indices must be in"):
        F.max_unpool2d(y, where + 16, 2)


def test_half_precision_runs_on_the_references() -> None:
    x = mg.rand(2, 3, 6, 6).half().requires_grad_()
    y = F.max_pool2d(F.relu(F.conv2d(x, mg.ones(2, 3, 3, 3).half())), 2)
    y.sum().backward()
    assert y.dtype == mg.float16 and x.grad.dtype == mg.float16


def test_functional_has_no_warnings_and_only_functions() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(callable(getattr(F, name)) for name in F.__all__)
    assert sorted(F.__all__) == sorted(set(F.__all__))
