"""The autograd graph as text and picture, and the layout of the picture."""

import itertools
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad
from minigrad import nn
from minigrad.viz import graph
from minigrad.viz._layout import GAP, layered, spread


def mlp():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    return model, model(minigrad.ones(5, 3)).sum()


def test_graph_has_the_leaves_the_ops_and_the_result():
    model, loss = mlp()
    g = graph(loss, model)
    named = [title for (title, _), kind in zip(g.labels, g.kinds) if kind == "leaf"]
    assert sorted(named) == ["0.bias", "0.weight", "2.bias", "2.weight"]
    assert g.kinds.count("result") == 1
    assert [title for (title, _), kind in zip(g.labels, g.kinds) if kind == "op"] == [
        "Linear", "Relu", "Linear", "Sum",
    ]
    assert all(a < b for a, b in g.edges)


def test_graph_draws_an_operand_used_twice_once():
    x = minigrad.ones(2, requires_grad=True)
    g = graph(x * x, {"x": x})
    assert g.labels == [("x", "(2)"), ("Mul", "(2)"), ("result", "(2)")]
    assert g.edges == [(0, 1), (1, 2)]


def test_graph_of_a_long_chain_does_not_recurse():
    x = minigrad.ones(1, requires_grad=True)
    y = x
    for _ in range(3000):
        y = y + 1
    assert graph(y).svg().count("<rect") == 3003  # the background, the leaf, 3000 ops, the result


def test_graph_dot_quotes_what_graphviz_would_read():
    x = minigrad.ones(2, requires_grad=True)
    dot = graph(x * 2, {'a "b"\\': x}).dot()
    assert r'label="a \"b\"\\\n(2)"' in dot
    assert dot.startswith("digraph autograd {") and dot.endswith("}\n")


def test_graph_svg_is_well_formed_and_holds_every_label():
    model, loss = mlp()
    g = graph(loss, {"<w>": model[0].weight})
    root = ElementTree.fromstring(g.svg())
    found = {t.text for t in root.iter("{http://www.w3.org/2000/svg}text")}
    assert found == {s for label in g.labels for s in label}


def test_graph_svg_boxes_do_not_overlap():
    model, loss = mlp()
    number = r'="([-\d.]+)" '
    pattern = rf"<rect x{number}y{number}width{number}height=\"([\d.]+)\""
    boxes = [tuple(map(float, m)) for m in re.findall(pattern, graph(loss, model).svg())]
    assert len(boxes) == 9
    for (x, y, w, h), (x2, y2, w2, h2) in itertools.combinations(boxes, 2):
        assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_graph_saves_by_the_name_of_the_file(tmp_path):
    g = graph(mlp()[1])
    g.save(tmp_path / "g.svg")
    g.save(tmp_path / "g.dot")
    assert (tmp_path / "g.svg").read_text().startswith("<svg")
    assert (tmp_path / "g.dot").read_text().startswith("digraph")
    with pytest.raises(ValueError, match=r"must end in \.svg, \.dot or \.gv; got 'g\.png'"):
        g.save("g.png")


def test_graph_of_a_leaf_says_what_to_do():
    with pytest.raises(ValueError, match=r"got a leaf of shape \(2,\).*requires_grad=True"):
        graph(minigrad.ones(2))


# layout

widths = st.floats(1, 100)


@given(st.lists(st.tuples(st.floats(-500, 500), widths), min_size=1, max_size=8))
def test_spread_keeps_the_order_and_the_gaps(boxes):
    wish, size = zip(*boxes)
    x = spread(wish, size)
    for (a, wa), (b, wb) in itertools.pairwise(zip(x, size)):
        assert b - a >= (wa + wb) / 2 + GAP - 1e-6


@given(st.lists(widths, min_size=1, max_size=8))
def test_spread_leaves_alone_what_has_room(size):
    wish = [i * 200.0 for i in range(len(size))]
    assert spread(wish, size) == pytest.approx(wish)


@given(st.data())
def test_layered_puts_every_source_above_its_target(data):
    n = data.draw(st.integers(1, 10))
    pairs = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda e: e[0] < e[1])
    edges = data.draw(st.lists(pairs, unique=True, max_size=15)) if n > 1 else []
    x, rank, routes = layered(n, edges, [20.0] * n)
    assert all(rank[a] > rank[b] for a, b in edges)
    assert all(len(route) == rank[a] - rank[b] + 1 for (a, b), route in zip(edges, routes))
    for i, j in itertools.combinations(range(n), 2):
        assert rank[i] != rank[j] or abs(x[i] - x[j]) >= 20 + GAP - 1e-6
