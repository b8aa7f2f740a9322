"""Layers: against PyTorch (where installed), their checks, and their modes."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import minigrad
from minigrad import nn

IMAGE, SEQUENCE, ROWS = (2, 4, 6, 5), (2, 4, 7), (3, 4)

# how to build the layer from a namespace with PyTorch's names, and the shape of its input
LAYERS = {
    "linear": (lambda n: n.Linear(4, 3), ROWS),
    "linear_without_bias": (lambda n: n.Linear(4, 3, bias=False), (2, 3, 4)),
    "identity": (lambda n: n.Identity(1, a=2), ROWS),
    "conv1d": (lambda n: n.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), SEQUENCE),
    "conv1d_circular": (lambda n: n.Conv1d(4, 2, 3, padding=2, padding_mode="circular"), SEQUENCE),
    "conv2d": (lambda n: n.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=1, dilation=(1, 2)), IMAGE),
    "conv2d_one_image": (lambda n: n.Conv2d(4, 6, 3), (4, 6, 5)),
    "conv2d_same": (lambda n: n.Conv2d(4, 4, 4, padding="same", groups=4, bias=False), IMAGE),
    "conv2d_reflect": (lambda n: n.Conv2d(4, 2, 3, padding=(2, 1), padding_mode="reflect"), IMAGE),
    "conv2d_same_replicate": (
        lambda n: n.Conv2d(4, 2, (3, 2), padding="same", padding_mode="replicate"), IMAGE),
    "conv_transpose2d": (
        lambda n: n.ConvTranspose2d(4, 6, 3, 2, padding=1, output_padding=1, groups=2), IMAGE),
    "conv_transpose1d": (lambda n: n.ConvTranspose1d(4, 3, 3, stride=2, dilation=2), SEQUENCE),
    "max_pool1d": (lambda n: n.MaxPool1d(3, 2, padding=1), SEQUENCE),
    "max_pool2d": (lambda n: n.MaxPool2d(3, 2, padding=1, ceil_mode=True), IMAGE),
    "avg_pool1d": (lambda n: n.AvgPool1d(2), SEQUENCE),
    "avg_pool2d": (lambda n: n.AvgPool2d(3, 2, 1, count_include_pad=False), IMAGE),
    "adaptive_avg_pool1d": (lambda n: n.AdaptiveAvgPool1d(3), SEQUENCE),
    "adaptive_avg_pool2d": (lambda n: n.AdaptiveAvgPool2d((None, 2)), IMAGE),
    "adaptive_max_pool1d": (lambda n: n.AdaptiveMaxPool1d(3), SEQUENCE),
    "adaptive_max_pool2d": (lambda n: n.AdaptiveMaxPool2d(2), IMAGE),
    "zero_pad": (lambda n: n.ZeroPad2d((1, 0, 2, 3)), IMAGE),
    "constant_pad": (lambda n: n.ConstantPad2d(1, 3.5), IMAGE),
    "constant_pad1d": (lambda n: n.ConstantPad1d((1, 2), -1.0), SEQUENCE),
    "reflection_pad": (lambda n: n.ReflectionPad2d((1, 2, 3, 1)), IMAGE),
    "replication_pad": (lambda n: n.ReplicationPad2d(2), IMAGE),
    "circular_pad": (lambda n: n.CircularPad2d((1, 0, 2, 1)), IMAGE),
    "unfold": (lambda n: n.Unfold(2, dilation=2, padding=1, stride=2), IMAGE),
    "fold": (lambda n: n.Fold((4, 5), 2, stride=1), (2, 8, 12)),
    "upsample_nearest": (lambda n: n.Upsample(scale_factor=2), IMAGE),
    "upsample_bilinear": (lambda n: n.Upsample((9, 8), mode="bilinear", align_corners=True), IMAGE),
    "batch_norm1d": (lambda n: n.BatchNorm1d(4), ROWS),
    "batch_norm1d_sequence": (lambda n: n.BatchNorm1d(4, affine=False), SEQUENCE),
    "batch_norm2d": (lambda n: n.BatchNorm2d(4, eps=1e-3, momentum=0.3), IMAGE),
    "batch_norm2d_cumulative": (lambda n: n.BatchNorm2d(4, momentum=None), IMAGE),
    "batch_norm2d_untracked": (lambda n: n.BatchNorm2d(4, track_running_stats=False), IMAGE),
    "layer_norm": (lambda n: n.LayerNorm((6, 5)), IMAGE),
    "group_norm": (lambda n: n.GroupNorm(2, 4), IMAGE),
    "instance_norm1d": (lambda n: n.InstanceNorm1d(4), SEQUENCE),
    "instance_norm2d": (
        lambda n: n.InstanceNorm2d(4, affine=True, track_running_stats=True), IMAGE),
    "instance_norm2d_one_image": (lambda n: n.InstanceNorm2d(4), (4, 6, 5)),
    "local_response_norm": (lambda n: n.LocalResponseNorm(3, alpha=0.1), IMAGE),
    "flatten": (lambda n: n.Flatten(), IMAGE),
    "unflatten": (lambda n: n.Unflatten(1, (2, 2)), ROWS),
    "rms_norm": (lambda n: n.RMSNorm((6, 5)), IMAGE),
    "lp_pool1d": (lambda n: n.LPPool1d(2, 3), SEQUENCE),
    "lp_pool2d": (lambda n: n.LPPool2d(3, 2, ceil_mode=True), IMAGE),
    "pixel_shuffle": (lambda n: n.PixelShuffle(2), IMAGE),
    "pixel_unshuffle": (lambda n: n.PixelUnshuffle(2), (1, 2, 4, 6)),
    "relu": (lambda n: n.ReLU(), ROWS),
    "leaky_relu": (lambda n: n.LeakyReLU(0.2), ROWS),
    "elu": (lambda n: n.ELU(0.7), ROWS),
    "selu": (lambda n: n.SELU(), ROWS),
    "celu": (lambda n: n.CELU(0.7), ROWS),
    "gelu": (lambda n: n.GELU(), ROWS),
    "gelu_tanh": (lambda n: n.GELU("tanh"), ROWS),
    "silu": (lambda n: n.SiLU(), ROWS),
    "mish": (lambda n: n.Mish(), ROWS),
    "sigmoid": (lambda n: n.Sigmoid(), ROWS),
    "log_sigmoid": (lambda n: n.LogSigmoid(), ROWS),
    "tanh": (lambda n: n.Tanh(), ROWS),
    "softplus": (lambda n: n.Softplus(2, 1), ROWS),
    "softsign": (lambda n: n.Softsign(), ROWS),
    "hardtanh": (lambda n: n.Hardtanh(-0.5, 0.7), ROWS),
    "relu6": (lambda n: n.ReLU6(), ROWS),
    "hardswish": (lambda n: n.Hardswish(), ROWS),
    "hardsigmoid": (lambda n: n.Hardsigmoid(), ROWS),
    "prelu": (lambda n: n.PReLU(4), IMAGE),
    "threshold": (lambda n: n.Threshold(0.1, 20), ROWS),
    "softmax": (lambda n: n.Softmax(dim=1), ROWS),
    "log_softmax": (lambda n: n.LogSoftmax(dim=0), ROWS),
    "softmin": (lambda n: n.Softmin(dim=1), ROWS),
    "glu": (lambda n: n.GLU(), ROWS),
    "hardshrink": (lambda n: n.Hardshrink(0.3), ROWS),
    "softshrink": (lambda n: n.Softshrink(0.3), ROWS),
    "tanhshrink": (lambda n: n.Tanhshrink(), ROWS),
    "softmax2d": (lambda n: n.Softmax2d(), IMAGE),
    "nested": (
        lambda n: n.Sequential(
            n.Conv2d(4, 3, 3, padding=1, bias=False), n.BatchNorm2d(3), n.ReLU(inplace=True),
            n.MaxPool2d(2), n.Flatten(), n.Linear(18, 2),
        ), IMAGE),
}


def drawn(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.filterwarnings("ignore:Using padding:UserWarning")  # PyTorch's, on speed
@pytest.mark.parametrize("name", LAYERS)
def test_layer_agrees_with_pytorch_over_training_steps(name):
    torch = pytest.importorskip("torch")
    build, shape = LAYERS[name]
    theirs = build(torch.nn).double()
    ours = build(nn).double()
    assert repr(ours) == repr(theirs)
    ours.load_state_dict(theirs.state_dict())
    for step in range(3):
        x = drawn(shape, step)
        a = minigrad.tensor(x, requires_grad=True)
        b = torch.tensor(x, requires_grad=True)
        ya, yb = ours(a), theirs(b)
        np.testing.assert_allclose(ya.detach().numpy(), yb.detach().numpy(), rtol=1e-9, atol=1e-11)
        g = drawn(yb.shape, 9)
        ya.backward(minigrad.tensor(g))
        yb.backward(torch.tensor(g))
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-7, atol=1e-10)
    for (key, p), q in zip(ours.named_parameters(), theirs.parameters()):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), 1e-7, 1e-10, err_msg=key)
    expected = theirs.state_dict()
    assert list(ours.state_dict()) == list(expected)
    for key, value in ours.state_dict().items():
        np.testing.assert_allclose(value.numpy(), expected[key].numpy(), rtol=1e-10, err_msg=key)
    ours.eval(), theirs.eval()
    ya, yb = ours(minigrad.tensor(x)), theirs(torch.tensor(x))
    np.testing.assert_allclose(ya.detach().numpy(), yb.detach().numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", LAYERS)
def test_layer_is_restored_from_its_state_dict(name):
    build, shape = LAYERS[name]
    x = minigrad.tensor(drawn(shape).astype(np.float32))
    layer, twin = build(nn), build(nn)
    layer(x)
    twin.load_state_dict(layer.state_dict())
    again = copy.deepcopy(layer).eval()(x).detach().numpy()
    np.testing.assert_array_equal(twin.eval()(x).detach().numpy(), again)


CLASSES = [1.0, 2.0, 0.5]  # weights

LOSSES = {
    "cross_entropy": (lambda n, t: n.CrossEntropyLoss(t(CLASSES), label_smoothing=0.1), "i"),
    "cross_entropy_ignoring": (
        lambda n, t: n.CrossEntropyLoss(ignore_index=1, reduction="sum"), "i"),
    "nll": (lambda n, t: n.NLLLoss(t(CLASSES)), "i"),
    "mse": (lambda n, t: n.MSELoss(), "f"),
    "l1": (lambda n, t: n.L1Loss(reduction="sum"), "f"),
    "smooth_l1": (lambda n, t: n.SmoothL1Loss(beta=0.3), "f"),
    "huber": (lambda n, t: n.HuberLoss(delta=0.3), "f"),
    "hinge_embedding": (lambda n, t: n.HingeEmbeddingLoss(margin=0.8), "s"),
    "bce": (lambda n, t: n.BCELoss(reduction="none"), "p"),
    "bce_logits": (lambda n, t: n.BCEWithLogitsLoss(pos_weight=t(CLASSES)), "p"),
    "kl_div": (lambda n, t: n.KLDivLoss(reduction="batchmean", log_target=False), "p"),
    "multi_margin": (lambda n, t: n.MultiMarginLoss(p=2, margin=0.5, weight=t(CLASSES)), "i"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_agrees_with_pytorch(name):
    torch = pytest.importorskip("torch")
    build, kind = LOSSES[name]
    x = drawn((5, 3)).astype(np.float32)
    if kind == "p":
        x = 1 / (1 + np.exp(-x))
    target = {
        "i": np.array([0, 2, 1, 1, 0]),
        "s": np.where(drawn((5, 3), 1) > 0, 1, -1).astype(np.float32),
        "f": drawn((5, 3), 1).astype(np.float32),
        "p": np.random.default_rng(1).uniform(size=(5, 3)).astype(np.float32),
    }[kind]
    a, b = minigrad.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    la = build(nn, minigrad.tensor)(a, minigrad.tensor(target))
    lb = build(torch.nn, torch.tensor)(b, torch.tensor(target))
    np.testing.assert_allclose(la.detach().numpy(), lb.detach().numpy(), rtol=1e-5)
    la.sum().backward()
    lb.sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_batch_norm_tracks_the_unbiased_variance():
    norm = nn.BatchNorm1d(2)
    x = drawn((6, 2)).astype(np.float32)
    norm(minigrad.tensor(x))
    np.testing.assert_allclose(norm.running_mean.numpy(), 0.1 * x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(norm.running_var.numpy(), 0.9 + 0.1 * x.var(0, ddof=1), rtol=1e-5)
    assert norm.num_batches_tracked.item() == 1
    before = norm.running_mean.numpy().copy()
    norm.eval()(minigrad.tensor(x))
    np.testing.assert_array_equal(norm.running_mean.numpy(), before)
    norm.reset_running_stats()
    assert (norm.running_var.numpy() == 1).all() and norm.num_batches_tracked.item() == 0


@pytest.mark.parametrize(
    ("layer", "shape", "whole"),
    [(nn.Dropout, (200, 50), ()), (nn.Dropout1d, (100, 50, 4), (2,)),
     (nn.Dropout2d, (100, 50, 3, 3), (2, 3))],
)
def test_dropout_zeroes_in_training_only(layer, shape, whole):
    drop = layer(0.25)
    x = minigrad.tensor(np.ones(shape, np.float32))
    y = drop(x).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.03)
    if whole:
        assert (y.min(axis=whole) == y.max(axis=whole)).all()
    np.testing.assert_array_equal(drop.eval()(x).numpy(), x.numpy())


def test_embedding_gives_no_gradient_to_its_padding():
    table = nn.Embedding(5, 3, padding_idx=1)
    table(minigrad.tensor([[1, 2], [2, 4]])).sum().backward()
    np.testing.assert_array_equal(table.weight.grad.numpy()[:, 0], [0, 0, 2, 0, 1])
    frozen = nn.Embedding.from_pretrained(minigrad.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert not frozen.weight.requires_grad and frozen(minigrad.tensor(1)).tolist() == [3, 4]


def test_bilinear_agrees_with_einsum():
    layer = nn.Bilinear(3, 4, 2)
    a, b = drawn((5, 6, 3)).astype(np.float32), drawn((5, 6, 4), 1).astype(np.float32)
    w, c = layer.weight.numpy(force=True), layer.bias.numpy(force=True)
    y = layer(minigrad.tensor(a), minigrad.tensor(b)).detach().numpy()
    np.testing.assert_allclose(y, np.einsum("...i,oij,...j->...o", a, w, b) + c, atol=1e-5)


def test_conv_transpose_takes_an_output_size():
    up = nn.ConvTranspose2d(1, 1, 3, stride=2)
    x = minigrad.tensor(np.zeros((1, 1, 3, 3), np.float32))
    assert up(x).shape == (1, 1, 7, 7) and up(x, (8, 7)).shape == (1, 1, 8, 7)
    with pytest.raises(ValueError, match=r"output_size must lie between \[7, 7\] and \[8, 8\]"):
        up(x, (9, 7))


def test_cosine_layers_agree_with_numpy():
    a, b = drawn((4, 3)), drawn((4, 3), 1)
    cos = (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))
    x, y = minigrad.tensor(a), minigrad.tensor(b)
    np.testing.assert_allclose(nn.CosineSimilarity()(x, y).numpy(), cos)
    loss = nn.CosineEmbeddingLoss(0.1, reduction="none")(x, y, minigrad.tensor([1, -1, 1, -1]))
    pushed = np.maximum(0, cos - 0.1)
    np.testing.assert_allclose(loss.numpy(), np.where([1, 0, 1, 0], 1 - cos, pushed))


def test_max_unpool_puts_values_back():
    x = minigrad.tensor(drawn((1, 1, 4, 4)))
    y, where = nn.MaxPool2d(2, return_indices=True)(x)
    back = nn.MaxUnpool2d(2)(y, where).numpy()
    assert (back == x.numpy()).sum() == 4 and np.count_nonzero(back) == 4


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.Linear(-1, 2), "Linear: in_features must not be negative; got in_features -1"),
        (lambda: nn.Conv2d(3, 4, 0), "Conv2d: kernel_size must be positive; got kernel_size 0"),
        (lambda: nn.Conv2d(3, 4, 3, stride=0), "stride must be positive"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "in_channels must be divisible by groups; got in"),
        (lambda: nn.Conv2d(4, 3, 3, groups=2), "out_channels must be divisible by groups"),
        (lambda: nn.Conv2d(3, 4, (1, 2, 3)), "kernel_size must be an int or 2 of them"),
        (lambda: nn.Conv2d(3, 4, 3, padding="full"), "padding must be ints, 'valid' or 'same'"),
        (lambda: nn.Conv2d(3, 4, 3, stride=2, padding="same"), "not supported for strided"),
        (lambda: nn.Conv2d(3, 4, 3, padding_mode="x"), "padding_mode must be one of"),
        (lambda: nn.ConvTranspose2d(3, 4, 3, padding_mode="reflect"), "padding_mode must be"),
        (lambda: nn.MaxPool2d(2, padding=2), "padding must be at most half the kernel size"),
        (lambda: nn.AvgPool2d(2, divisor_override=0), "divisor_override must not be zero"),
        (lambda: nn.AdaptiveAvgPool2d(-1), "output_size must not be negative"),
        (lambda: nn.BatchNorm2d(0), "BatchNorm2d: num_features must be positive"),
        (lambda: nn.GroupNorm(3, 4), "num_channels must be divisible by num_groups"),
        (lambda: nn.Dropout(1.5), "probability must be between 0 and 1; got p 1.5"),
        (lambda: nn.Embedding(3, 4, padding_idx=5), "padding_idx must be within num_embeddings 3"),
        (lambda: nn.ZeroPad2d((1, 2)), r"must be an int or \(left, right, top, bottom\)"),
        (lambda: nn.MSELoss(reduction="avg"), "reduction must be one of"),
        (lambda: nn.HuberLoss(delta=0), "delta must be positive"),
        (lambda: nn.MultiMarginLoss(p=3), "p must be 1 or 2"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=2), "label_smoothing must be between 0 and 1"),
        (lambda: nn.Hardtanh(1, 0), "min_val must be less than max_val"),
    ],
)
def test_impossible_settings_are_refused_when_the_layer_is_built(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    "build", [lambda: nn.Linear(2.5, 2), lambda: nn.Conv2d(3, True, 3), lambda: nn.MaxPool2d("2")]
)
def test_sizes_must_be_ints(build):
    with pytest.raises(TypeError, match="must be an int; got"):
        build()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (nn.BatchNorm2d(3), (2, 3), r"BatchNorm2d: input must be \(N, C, H, W\); got shape"),
        (nn.BatchNorm1d(3), (2, 3, 4, 4), r"input must be \(N, C\) or \(N, C, L\)"),
        (nn.InstanceNorm2d(3), (2, 3), r"input must be \(N, C, H, W\) or \(C, H, W\)"),
        (nn.ZeroPad2d(1), (2, 3), r"ZeroPad2d: input must be"),
    ],
)
def test_inputs_of_the_wrong_dims_are_refused(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        layer(minigrad.tensor(np.zeros(shape, np.float32)))
