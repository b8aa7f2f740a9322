"""vision.models: sizes from the papers, shapes, names, and that each can learn."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.vision import models


def images(*shape):
    return minigrad.tensor(np.random.default_rng(0).normal(size=shape).astype(np.float32))


@pytest.mark.parametrize(
    ("build", "shape", "params"),
    [
        (lambda: models.lenet5(), (1, 28, 28), 61_706),
        (lambda: models.lenet5(7, 3, 32), (3, 32, 32), None),
        (lambda: models.resnet20(), (3, 32, 32), 269_722),
        (lambda: models.resnet20(shortcut="B", in_channels=1), (1, 28, 28), None),
        (lambda: models.resnet32(), (3, 16, 16), 464_154),
        (lambda: models.vgg_small(), (3, 32, 32), 288_746),
        (lambda: models.vgg_small(5, 1, width=8, dropout=0.2), (1, 28, 28), None),
        (lambda: models.mlp(), (1, 28, 28), 235_146),
        (lambda: models.mlp(3, 3, 8, (5,), dropout=0.5), (3, 8, 8), None),
        (lambda: models.linear(), (1, 28, 28), 7_850),
        (lambda: models.resnet18(10), (3, 32, 32), 11_181_642),
    ],
)
def test_model_has_the_size_and_gives_scores(build, shape, params):
    model = build()
    if params is not None:
        assert sum(p.numel() for p in model.parameters()) == params
    with minigrad.no_grad():
        y = model.eval()(images(2, *shape))
    classes = list(model.parameters())[-1].shape[0]
    assert y.shape == (2, classes) and np.isfinite(y.numpy()).all()


def test_resnet18_has_torchvisions_names():
    names = list(models.resnet18().state_dict())
    assert names[0] == "conv1.weight" and names[-2:] == ["fc.weight", "fc.bias"]
    assert len(names) == 122 and "layer2.0.downsample.1.num_batches_tracked" in names
    assert sum(p.numel() for p in models.resnet18().parameters()) == 11_689_512


@pytest.mark.parametrize(
    "build", [lambda: models.lenet5(4), lambda: models.vgg_small(4, 1, width=4)]
)
def test_model_fits_a_few_images(build):
    minigrad.manual_seed(0)
    model = build()
    x, t = images(8, 1, 28, 28), minigrad.tensor([0, 1, 2, 3] * 2)
    loss_fn = nn.CrossEntropyLoss()
    first = None
    for _ in range(30):
        loss = loss_fn(model(x), t)
        first = first or loss.item()
        model.zero_grad()
        loss.backward()
        with minigrad.no_grad():
            for p in model.parameters():
                p -= 0.1 * p.grad
    assert loss.item() < 0.7 * first


def test_resnet20_shortcuts_add_no_parameters():
    plain, learned = models.resnet20(), models.resnet20(shortcut="B")
    extra = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    assert (
        sum(p.numel() for p in learned.parameters()) - sum(p.numel() for p in plain.parameters())
        == extra
    )


def test_impossible_models_are_refused():
    with pytest.raises(ValueError, match="image_size must be 28 or 32"):
        models.lenet5(image_size=30)
    with pytest.raises(ValueError, match="shortcut must be 'A' or 'B'"):
        models.resnet20(shortcut="C")
