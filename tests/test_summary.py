"""minigrad.summary: what it counts, what it shows, and that it leaves the model alone."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.summary import summary


def small():
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3, 2, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)),
        nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(), nn.Linear(4 * 2 * 2, 5),
    )


def test_rows_tell_volumes_parameters_and_multiply_adds():
    s = summary(small(), (3, 8, 8))
    assert [(r.name, r.type, r.depth) for r in s.rows] == [
        ("", "Sequential", 0), ("0", "Sequential", 1), ("0.0", "Conv2d", 2),
        ("0.1", "BatchNorm2d", 2), ("0.2", "ReLU", 2), ("1", "MaxPool2d", 1), ("2", "Flatten", 1),
        ("3", "Dropout", 1), ("4", "Linear", 1),
    ]
    conv, linear = s.rows[2], s.rows[-1]
    assert conv.input_shape == (3, 8, 8) and conv.output_shape == (4, 4, 4)
    assert conv.params == conv.trainable == 4 * 3 * 9 + 4
    assert conv.macs == 4 * 4 * 4 * 27 and linear.macs == 16 * 5
    assert conv.memory == 4 * 4 * 4 * 4 and s.rows[4].memory == 0  # in place
    assert s.params == sum(p.numel() for p in small().parameters()) == s.trainable
    assert s.macs == conv.macs + linear.macs + 64


def test_the_table_shows_nested_layers_indented_and_totals():
    lines = str(summary(small(), (3, 8, 8))).split("\n")
    assert lines[0].split()[:3] == ["Layer", "Input", "Output"]
    assert lines[4].startswith("    0: Conv2d") and "3 × 8 × 8" in lines[4] and "112" in lines[4]
    assert lines[-3].startswith("Parameters: 205 (205 trainable, 0 frozen), 820 B as float32")
    assert lines[-2].startswith("Multiply-adds: 1,872 per example")


def test_the_model_is_left_as_it_was():
    model = small()
    model[1].eval()
    before = copy.deepcopy(model.state_dict())
    modes = [m.training for m in model.modules()]
    summary(model, (3, 8, 8))
    assert [m.training for m in model.modules()] == modes
    assert all(m._hooks is None for m in model.modules())
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[key].numpy())
    with pytest.raises(ValueError, match=r"^0\.0: conv2d"):
        summary(model, (2, 8, 8))
    assert [m.training for m in model.modules()] == modes
    assert all(m._hooks is None for m in model.modules())


def test_a_shared_module_is_counted_once():
    layer = nn.Linear(3, 3)
    s = summary(nn.Sequential(layer, nn.ReLU(), layer), (3,))
    assert s.params == 12 and s.macs == 18 and s.rows[-1].shared
    assert "(shared)" in str(s)


def test_tied_parameters_are_counted_once():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    assert summary(net, (3,)).params == 15


def test_frozen_and_unused_parameters_are_shown():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.spare = nn.Linear(2, 2), nn.Linear(2, 7)

        def forward(self, x):
            return self.used(x)

    net = Odd()
    net.used.weight.requires_grad_(False)
    net.spare.requires_grad_(False)
    s = summary(net, (2,))
    assert s.params == 27 and s.trainable == 2
    text = str(s)
    assert "6 (4 frozen)" in text and "21 (frozen)" in text and "(not called)" in text


def test_compare_dense_shows_what_sharing_weights_saves():
    s = summary(nn.Sequential(nn.Conv2d(1, 2, 3)), (1, 5, 5), compare_dense=True)
    assert s.rows[1].dense_params == 25 * 18 + 18 == s.dense_params
    text = str(s)
    assert "Fully connected" in text and "468 parameters, 23 times as many" in text
    assert summary(nn.Linear(2, 2), (2,)).rows[0].dense_params is None


def test_depth_folds_what_lies_deeper():
    full, folded = summary(small(), (3, 8, 8)), summary(small(), (3, 8, 8), depth=1)
    assert [r.name for r in folded.rows] == ["", "0", "1", "2", "3", "4"]
    assert folded.rows[1].params == 112 + 8
    assert (folded.params, folded.macs, folded.memory) == (full.params, full.macs, full.memory)


def test_several_inputs_a_batch_or_a_dtype():
    class Two(nn.Module):
        def forward(self, a, b):
            return a + b

    assert summary(Two(), [(3,), (3,)]).rows[0].output_shape == (3,)
    table = nn.Embedding(5, 2)
    assert summary(table, (7,), dtype="int64").rows[0].output_shape == (7, 2)
    s = summary(nn.ReLU(), input_data=minigrad.tensor(np.zeros((8, 3), np.float32)))
    assert s.rows[0].output_shape == (3,) and s.memory == 12
    assert summary(nn.Conv2d(1, 1, 1), (16, 1, 5, 5)).rows[0].output_shape == (1, 5, 5)
    assert summary(nn.Linear(3, 2).double(), (3,)).memory == 16


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda: summary(nn.ReLU()), ValueError, "needs the shape of one example"),
        (lambda: summary(nn.ReLU(), (0, 3)), ValueError, "must be positive ints"),
        (lambda: summary(3, (3,)), TypeError, "model must be a Module"),
    ],
)
def test_misuse_is_refused(act, error, message):
    with pytest.raises(error, match=message):
        act()
