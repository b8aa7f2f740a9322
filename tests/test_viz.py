"""Pictures: what is drawn, where, and the messages. How they look is judged by eye."""

import json
import subprocess
import sys

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.errors import ShapeError
from minigrad.viz import (
    Volume,
    confusion_matrix,
    feature_maps,
    filters,
    training_curves,
    volumes,
)

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(4 * 4 * 4, 10),
    )


def texts(ax):
    return [t.get_text() for t in ax.texts]


def test_import_minigrad_and_viz_loads_no_matplotlib():
    code = "import sys, minigrad, minigrad.viz; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pictures_leave_pyplot_alone():
    code = (
        "import sys, minigrad.viz as v;"
        "v.confusion_matrix([0, 1], [0, 1]).figure.savefig(sys.argv[1]);"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, "/dev/null"], check=True)


# volumes


def test_volumes_of_a_model_name_the_layers_and_their_shapes():
    ax = volumes(net(), (1, 1, 8, 8))
    found = texts(ax)
    assert "image" in found
    assert "Conv 3×3\nBatchNorm\nReLU" in found
    assert [t for t in found if t.count("×") == 2] == ["1×8×8", "4×8×8", "4×4×4", "10×1×1"]


def test_volumes_draw_height_and_depth_to_scale():
    ax = volumes([Volume(2, 10, 10), Volume(4, 20, 10)])
    fronts = [p.get_xy() for p in ax.patches[::3]]
    wide = [np.ptp(f[:, 0]) for f in fronts]
    high = [np.ptp(f[:, 1]) for f in fronts]
    assert wide[1] / wide[0] == pytest.approx(2)
    assert high[1] / high[0] == pytest.approx(2)


def test_volumes_labels_do_not_overlap():
    ax = volumes(net(), (1, 1, 8, 8))
    ax.figure.draw_without_rendering()
    boxes = [t.get_window_extent() for t in ax.texts]
    for i, a in enumerate(boxes):
        assert not any(a.overlaps(b) for b in boxes[i + 1:]), texts(ax)[i]


def test_volumes_draw_on_the_axes_they_are_given():
    ax = Figure().add_subplot()
    assert volumes(net(), (1, 1, 8, 8), ax=ax) is ax


def test_volumes_of_a_deep_network_draw_runs_of_equal_layers_once():
    layers = [m for _ in range(13) for m in (nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())]
    ax = volumes(nn.Sequential(*layers), (4, 8, 8))
    assert texts(ax)[:4] == ["image", "4×8×8", "13× Conv 3×3\nReLU", "4×8×8"]


def test_volumes_of_nothing_say_so():
    with pytest.raises(ValueError, match="volumes: there is nothing to draw"):
        volumes([])


# filters


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_filters_show_every_filter(channels):
    layer = nn.Conv2d(channels, 6, 3)
    ax = filters(layer)
    picture = ax.images[0].get_array()
    tiles = 6 if channels in (1, 3) else 6 * channels
    drawn = picture.size // (3 if channels == 3 else 1) - np.ma.count_masked(picture)
    assert drawn == tiles * 9 if channels != 3 else drawn >= tiles * 9
    assert ax.get_title().startswith("6 filters 3×3")


def test_filters_take_the_axes_and_a_bare_weight():
    ax = Figure().add_subplot()
    assert filters(np.zeros((2, 1, 3, 3)), ax=ax) is ax


def test_filters_refuse_other_shapes():
    message = r"filters: weight must be \(F, C, KH, KW\).*got shape \(3, 4\)"
    with pytest.raises(ShapeError, match=message):
        filters(np.zeros((3, 4)))


# feature maps


def test_feature_maps_show_a_column_per_layer_and_the_scores():
    figure = feature_maps(net(), minigrad.rand(1, 8, 8))
    titles = [ax.get_title().split("\n")[0] for ax in figure.axes]
    assert [t for t in titles if t] == ["image", "Conv", "BatchNorm", "ReLU", "MaxPool", "softmax"]


def test_feature_maps_leave_the_model_as_it_was():
    model = net()
    model[1].eval()  # a frozen layer stays frozen
    state = {k: v.clone() for k, v in model.state_dict().items()}
    feature_maps(model, minigrad.rand(1, 8, 8))
    assert [m.training for m in (model, model[0], model[1])] == [True, True, False]
    assert all((state[k] == v).all() for k, v in model.state_dict().items())
    assert all(m._hooks is None for m in model.modules())


def test_feature_maps_of_a_batch_say_what_to_do():
    with pytest.raises(ShapeError, match=r"got shape \(2, 1, 8, 8\).*images\[0\]"):
        feature_maps(net(), minigrad.rand(2, 1, 8, 8))


# confusion matrix


def test_confusion_matrix_counts_true_by_row():
    ax = confusion_matrix([0, 0, 1, 2], [0, 1, 1, 2], classes=["a", "b", "c"])
    cells = {(t.get_position()[1], t.get_position()[0]): t.get_text() for t in ax.texts}
    assert cells == {(0, 0): "1", (0, 1): "1", (1, 1): "1", (2, 2): "1"}
    assert ax.get_title() == "3 of 4 right (75.0 %)"


def test_confusion_matrix_takes_tensors_and_counts():
    ax = confusion_matrix(minigrad.tensor([[3, 1], [0, 2]]))
    assert ax.get_title() == "5 of 6 right (83.3 %)"


@pytest.mark.parametrize(
    ("args", "classes", "error", "message"),
    [
        (([0, 1], [0]), None, ShapeError, r"must be \(N,\) both; got shapes \(2,\) and \(1,\)"),
        (([0, 1],), None, ShapeError, "expects a square matrix of counts"),
        (([0, -1], [0, 0]), None, IndexError, "count from 0; got -1"),
        (([0, 3], [0, 0]), ["a", "b"], IndexError, "must name each of 4 classes; got 2"),
    ],
)
def test_confusion_matrix_refuses(args, classes, error, message):
    with pytest.raises(error, match=message):
        confusion_matrix(*args, classes=classes)


# curves

ROWS = [
    {"epoch": 0.5, "train_loss": 2.0, "train_accuracy": 0.4},
    {"epoch": 1, "train_loss": 1.0, "train_accuracy": 0.6},
    {"epoch": 1, "test_loss": 1.2, "test_accuracy": 0.5, "train_loss": None},
]


def test_training_curves_draw_what_the_rows_hold(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in ROWS))
    for history in (ROWS, path):
        loss, accuracy = training_curves(history).axes
        assert [line.get_label() for line in loss.lines] == ["train", "test"]
        np.testing.assert_allclose(loss.lines[0].get_xydata(), [[0.5, 2], [1, 1]])
        np.testing.assert_allclose(accuracy.lines[1].get_xydata(), [[1, 50]])


def test_training_curves_draw_on_the_figure_they_are_given():
    figure = Figure()
    assert training_curves(ROWS, figure) is figure


def test_training_curves_name_the_bad_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"epoch": 1}\n{"epoch": \n')
    with pytest.raises(ValueError, match=r"metrics\.jsonl, line 2 is not JSON"):
        training_curves(path)
    with pytest.raises(ValueError, match=r"no row holds an epoch and a loss or .*got 0 rows"):
        training_curves([])
