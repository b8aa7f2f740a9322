"""Batch norm with a relu after it, in one pass: the same results as one after the other."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import container

SMALL, BIG = (3, 5, 7, 6), (4, 8, 64, 64)  # a big one is where relu leaves its gradient waiting


def one_by_one(model: nn.Sequential, x: mg.Tensor) -> mg.Tensor:
    for module in model:
        x = module(x) + 0  # a sum between the two keeps them apart
    return x


def net(channels: int, dtype: Any = mg.float32, **options: Any) -> nn.Sequential:
    bn = nn.BatchNorm2d(channels, **options)
    if bn.affine:
        nn.init.normal_(bn.weight)
        nn.init.normal_(bn.bias)
    return nn.Sequential(bn, nn.ReLU(inplace=True)).to(dtype)


def results(run: Any, model: nn.Sequential, x: mg.Tensor, g: mg.Tensor) -> list[np.ndarray]:
    x = x.detach().requires_grad_()
    y = run(model, x)
    y.backward(g)
    tensors = [y, x.grad, *[p.grad for p in model.parameters()], *model.buffers()]
    return [t.detach().numpy() for t in tensors]


@pytest.mark.parametrize("shape", [SMALL, BIG])
@pytest.mark.parametrize("dtype", [mg.float32, mg.float64])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", [{}, {"affine": False}, {"track_running_stats": False}])
def test_sequential_gives_what_its_modules_give(shape, dtype, training, options) -> None:
    model = net(shape[1], dtype, **options).train(training)
    x, g = mg.randn(*shape, dtype=dtype), mg.randn(*shape, dtype=dtype)
    fused = results(lambda m, x: m(x), copy.deepcopy(model), x, g)
    apart = results(one_by_one, copy.deepcopy(model), x, g)
    for a, b in zip(fused, apart, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    with mg.no_grad():
        y = copy.deepcopy(model)(x).numpy()
    np.testing.assert_array_equal(y, fused[0])


def test_sequential_records_one_node_and_runs_hooks_where_there_are_some() -> None:
    model, x = net(5), mg.randn(*SMALL).requires_grad_()
    assert model(x).grad_fn.name() == "BatchNormReluBackward0"
    seen = []
    model[0].register_forward_hook(lambda m, args, y: seen.append(float(y.min())))
    assert model(x).grad_fn.name() == "ReluBackward0"
    assert seen and seen[0] < 0


def test_sequential_leaves_subclasses_and_changed_forwards_alone() -> None:
    class Other(nn.ReLU):
        def forward(self, input: mg.Tensor) -> mg.Tensor:
            return input * 2

    x = mg.randn(*SMALL)
    bn = nn.BatchNorm2d(5)
    np.testing.assert_allclose(
        nn.Sequential(bn, Other())(x).detach().numpy(), 2 * bn(x).detach().numpy(), rtol=1e-5
    )
    model = nn.Sequential(bn, nn.ReLU())
    model[1].forward = lambda input: input + 1
    np.testing.assert_allclose(
        model(x).detach().numpy(), bn(x).detach().numpy() + 1, rtol=1e-5, atol=1e-6
    )


def test_an_error_names_the_batch_norm() -> None:
    with pytest.raises(ValueError, match=r"^0: batch_norm: running_mean must be \(5,\)"):
        net(4)(mg.randn(*SMALL))


def test_fused_second_derivative_is_that_of_the_parts() -> None:
    model = net(5, mg.float64)
    x, v = mg.randn(*SMALL, dtype=mg.float64), mg.randn(*SMALL, dtype=mg.float64)

    def second(run: Any) -> np.ndarray:
        z = x.detach().requires_grad_()
        (gz,) = mg.autograd.grad((run(model, z) ** 2).sum(), z, create_graph=True)
        return mg.autograd.grad((gz * v).sum(), z)[0].numpy()

    np.testing.assert_allclose(second(lambda m, z: m(z)), second(one_by_one), rtol=1e-8, atol=1e-9)


CONVS = [
    {}, {"bias": False}, {"stride": 2, "padding": 1}, {"groups": 4},
    {"padding": "same", "padding_mode": "reflect"}, {"kernel_size": 1, "dilation": 2},
]  # fmt: skip


def conv_net(dtype: Any = mg.float32, affine: bool = True, **conv: Any) -> nn.Sequential:
    """A convolution, a batch norm whose statistics are not those of a first step, and a relu."""
    bn = nn.BatchNorm2d(12, affine=affine)
    bn.running_mean.normal_()
    bn.running_var.uniform_(0.5, 2.0)
    if affine:
        nn.init.normal_(bn.weight)
        nn.init.normal_(bn.bias)
    return nn.Sequential(nn.Conv2d(8, 12, **{"kernel_size": 3, **conv}), bn, nn.ReLU()).to(dtype)


@pytest.mark.parametrize("dtype", [mg.float32, mg.float64])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("conv", CONVS)
def test_batch_norm_in_a_convolution_gives_what_both_give(conv, affine, dtype) -> None:
    model, x = conv_net(dtype, affine, **conv).eval(), mg.randn(2, 8, 9, 11, dtype=dtype)
    with mg.no_grad():
        fused, apart = model(x), one_by_one(model, x)
    close = 1e-5 if dtype is mg.float32 else 1e-12
    np.testing.assert_allclose(fused.numpy(), apart.numpy(), rtol=close, atol=close)
    assert fused.dtype is dtype and not fused.requires_grad


def test_batch_norm_is_folded_only_where_nothing_would_see_it(monkeypatch) -> None:
    folded: list[int] = []
    keep = container.batch_norm_fold
    monkeypatch.setattr(
        container, "batch_norm_fold", lambda *args: folded.append(1) or keep(*args)
    )
    model, x = conv_net().eval(), mg.randn(2, 8, 9, 11)
    model(x).sum().backward()  # a graph is recorded
    assert not folded and model[1].weight.grad is not None
    with mg.no_grad():
        model(x)
        assert folded == [1]
        model.train()(x)  # by the batch's statistics
        model.eval()[1].register_forward_hook(lambda m, args, y: None)
        model(x)
        nn.Sequential(nn.Conv2d(8, 12, 3), nn.BatchNorm2d(12, track_running_stats=False))(x)
        wide = nn.Sequential(nn.Conv2d(8, 1000, 3), nn.BatchNorm2d(1000)).eval()
        wide(x)  # 72 000 weights, 1584 pixels
    assert folded == [1]
    with pytest.raises(ValueError, match="BatchNorm2d"), mg.no_grad():
        conv_net().eval()(mg.randn(8, 9, 11))  # one image without a batch, as with a graph
    with pytest.raises(ValueError, match="1: batch_norm"), mg.no_grad():
        nn.Sequential(nn.Conv2d(8, 12, 3), nn.BatchNorm2d(11)).eval()(x)


def test_relu_is_done_by_the_convolution_before_it_where_no_graph_is_recorded(monkeypatch) -> None:
    seen: list[bool] = []
    keep = nn.Conv2d.forward

    def forward(self: Any, x: Any, **options: Any) -> Any:
        seen.append(options.get("relu", False))
        return keep(self, x, **options)

    monkeypatch.setattr(nn.Conv2d, "forward", forward)
    model = nn.Sequential(nn.Conv2d(8, 12, 3), nn.ReLU(), nn.Conv2d(12, 4, 1), nn.Flatten())
    x = mg.randn(2, 8, 9, 11)
    recorded = model(x)
    assert seen == [False, False] and recorded.requires_grad
    with mg.no_grad():
        np.testing.assert_allclose(model(x).numpy(), recorded.detach().numpy(), atol=1e-6)
        assert seen[2:] == [True, False]
        model[1].register_forward_hook(lambda m, args, y: None)
        model(x)
    assert seen[4:] == [False, False]


@pytest.mark.parametrize("name", ["weight", "bias", "running_mean", "running_var"])
def test_a_batch_norm_that_does_not_fit_is_an_error_with_a_graph_and_without(name) -> None:
    model = conv_net().eval()
    value = mg.ones(1)
    setattr(model[1], name, value if "running" in name else nn.Parameter(value))
    message = rf"^1: batch_norm: {name} must be \(12,\)"
    with pytest.raises(ValueError, match=message):
        model(mg.randn(2, 8, 9, 11))
    with pytest.raises(ValueError, match=message), mg.no_grad():
        model(mg.randn(2, 8, 9, 11))


@pytest.mark.parametrize("place,name", [(0, "weight"), (1, "weight"), (1, "running_mean")])
def test_what_somebody_put_over_a_parameter_is_what_a_fold_uses_as_well(place, name) -> None:
    model, x = conv_net().eval(), mg.randn(2, 8, 9, 11)
    value = mg.full_like(getattr(model[place], name), 0.25).detach()
    object.__setattr__(model[place], name, value)
    with mg.no_grad():
        fused = model(x).numpy()
    np.testing.assert_allclose(fused, model(x).detach().numpy(), atol=1e-5)
