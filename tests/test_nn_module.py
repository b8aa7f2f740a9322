"""Module: attributes, walking, states, conversion, repr, and the path in errors."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad
from minigrad import nn


def values(*shape):
    return minigrad.from_numpy(np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 10)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.rest = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2))
        self.scale = nn.Parameter(values(2))
        self.register_buffer("kept", values(1))
        self.register_buffer("hidden", values(1), persistent=False)

    def forward(self, x):
        return self.rest(self.first(x)) * self.scale


NAMES = ["scale", "first.weight", "first.bias", "rest.0.weight", "rest.0.bias", "rest.1.weight",
         "rest.1.bias"]


def test_named_parameters_come_in_order_of_assignment():
    assert [name for name, _ in Net().named_parameters()] == NAMES
    assert [name for name, _ in Net().named_parameters("net", recurse=False)] == ["net.scale"]


def test_named_buffers_include_the_hidden_ones():
    names = [name for name, _ in Net().named_buffers()]
    assert names[:2] == ["kept", "hidden"] and "rest.0.num_batches_tracked" in names


def test_state_dict_leaves_hidden_buffers_out_and_shares_memory():
    net = Net()
    state = net.state_dict(prefix="m.")
    assert isinstance(state, OrderedDict) and "m.kept" in state and "m.hidden" not in state
    weight = state["m.first.weight"]
    assert np.shares_memory(weight.numpy(), net.first.weight._data) and not weight.requires_grad
    assert net.state_dict(keep_vars=True)["scale"] is net.scale


def test_shared_parameters_come_once_unless_asked():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    assert len(list(net.parameters())) == 3
    assert len(list(net.named_parameters(remove_duplicate=False))) == 4
    assert len(list(nn.Sequential(net, net).modules())) == 4
    assert len(net.state_dict()) == 4


def test_load_state_dict_copies_in_place():
    a, b = Net(), Net()
    weight = a.first.weight
    result = a.load_state_dict(b.state_dict())
    assert repr(result) == "<All keys matched successfully>" and a.first.weight is weight
    for x, y in zip(a.state_dict().values(), b.state_dict().values()):
        np.testing.assert_array_equal(x.numpy(), y.numpy())
        assert not np.shares_memory(x.numpy(), y.numpy())


def test_load_state_dict_lists_all_that_is_wrong_and_changes_nothing():
    net = Net()
    state = Net().state_dict()
    state["extra"] = state.pop("first.weight")
    state["first.bias"] = values(5)
    state["scale"] = "text"
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(RuntimeError) as e:
        net.load_state_dict(state)
    text = str(e.value)
    assert text.startswith("Error(s) in loading state_dict for Net:\n\tMissing key(s) in")
    assert 'Missing key(s) in state_dict: "first.weight". \n' in text
    assert 'Unexpected key(s) in state_dict: "extra". \n' in text
    assert (
        "size mismatch for first.bias: copying a param with shape minigrad.Size([5]) from "
        "checkpoint, the shape in current model is minigrad.Size([4])." in text
    )
    assert 'the parameter named "scale", expected a Tensor' in text
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[key].numpy())


def test_load_state_dict_not_strict_returns_what_did_not_match():
    net = Net()
    missing, unexpected = net.load_state_dict({"scale": values(2), "x": values(1)}, strict=False)
    counts = [k for k in net.state_dict() if k.endswith("num_batches_tracked")]  # never missed
    assert missing == [k for k in net.state_dict() if k not in ("scale", *counts)]
    assert unexpected == ["x"]
    np.testing.assert_array_equal(net.scale.numpy(force=True), values(2).numpy())


def test_load_state_dict_assign_keeps_the_given_dtype():
    net = nn.Linear(2, 3)
    net.weight.requires_grad_(False)
    given = {"weight": values(3, 2).double(), "bias": np.ones(3)}
    net.load_state_dict(given, assign=True)
    assert isinstance(net.weight, nn.Parameter) and net.weight.dtype == np.float64
    assert not net.weight.requires_grad and net.bias.requires_grad


def test_loading_is_noticed_by_a_graph_that_needs_the_old_value():
    net = nn.Linear(2, 2)
    x = minigrad.tensor([[1.0, 2.0]], requires_grad=True)
    y = net(x).sum()
    net.load_state_dict(nn.Linear(2, 2).state_dict())
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_extra_state_and_hooks_travel_with_the_state_dict():
    class Counting(nn.Linear):
        count = 3

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    a, b = nn.Sequential(Counting(1, 1)), nn.Sequential(Counting(1, 1))
    a[0].count = 7
    seen = []
    b.register_load_state_dict_post_hook(lambda m, keys: seen.append(keys))
    a.register_state_dict_post_hook(lambda m, state, prefix, meta: state.update(more=values(1)))
    b.register_load_state_dict_pre_hook(lambda m, state, *rest: state.pop("more", None))
    b.load_state_dict(a.state_dict())
    assert b[0].count == 7 and seen == [([], [])]


def test_module_survives_deepcopy_and_pickle():
    net = Net().eval()
    net.tied = net.first
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert not twin.training and twin.tied is twin.first and repr(twin) == repr(net)
        for x, y in zip(net.parameters(), twin.parameters()):
            assert isinstance(y, nn.Parameter) and y.requires_grad
            np.testing.assert_array_equal(x._data, y._data)
            assert not np.shares_memory(x._data, y._data)


def test_conversion_leaves_integers_and_identity_of_parameters():
    net = Net()
    weight = net.first.weight
    net.double()
    assert net.first.weight is weight and weight.dtype == np.float64
    assert net.rest[0].running_mean.dtype == np.float64
    assert net.rest[0].num_batches_tracked.dtype == np.int64
    assert net.to("cpu").to(np.dtype("float32")).first.weight.dtype == np.float32
    with pytest.raises(TypeError, match=r"to: only accepts floating point dtypes; got int64"):
        net.to(np.dtype("int64"))
    with pytest.raises(RuntimeError, match="CPU only"):
        net.to("cuda")


def test_train_eval_and_apply_reach_every_module():
    net = Net()
    assert net.eval() is net and not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())
    seen = []
    net.apply(seen.append)
    assert seen[-1] is net and len(seen) == 5


def test_zero_grad_drops_or_clears():
    net = nn.Linear(2, 1)
    net(values(1, 2)).sum().backward()
    grad = net.weight.grad
    net.zero_grad(set_to_none=False)
    assert (net.weight.grad.numpy() == 0).all() and (grad.numpy() == 0).all()
    net.zero_grad()
    assert net.weight.grad is None


def test_requires_grad_freezes_all_parameters():
    net = Net().requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda n: setattr(n, "first", 3), TypeError,
         r"cannot assign 'int' as child module 'first' \(minigrad.nn.Module or None expected\)"),
        (lambda n: setattr(n, "scale", values(2)), TypeError,
         r"cannot assign 'minigrad.tensor.Tensor' as parameter 'scale'"),
        (lambda n: setattr(n, "kept", 3), TypeError, r"cannot assign 'int' as buffer 'kept'"),
        (lambda n: n.register_buffer("a.b", None), KeyError, r"can\\'t contain"),
        (lambda n: n.register_buffer("", None), KeyError, "can\\\\'t be empty string"),
        (lambda n: n.register_buffer("first", None), KeyError, "attribute 'first' already exists"),
        (lambda n: n.register_parameter(3, None), TypeError, "name should be a string. Got int"),
        (lambda n: n.register_parameter("q", 3), TypeError, "cannot assign 'int' object to param"),
        (lambda n: n.add_module("q", 3), TypeError, "int is not a Module subclass"),
        (lambda n: n.nothing, AttributeError, "'Net' object has no attribute 'nothing'"),
        (lambda n: n.get_submodule("first.x"), AttributeError, "Linear has no attribute `x`"),
        (lambda n: n.get_submodule("first.weight"), AttributeError, "`weight` is not an nn.Module"),
        (lambda n: n.get_parameter("kept"), AttributeError, "`kept` is not an nn.Parameter"),
        (lambda n: n.get_buffer("scale"), AttributeError, "`scale` is not a buffer"),
        (lambda n: n.train(1), ValueError, "training mode is expected to be boolean"),
        (lambda n: nn.Module()(1), NotImplementedError, 'missing the required "forward"'),
    ],
)
def test_misuse_says_what_is_expected(act, error, message):
    with pytest.raises(error, match=message):
        act(Net())


def test_assigning_before_init_says_what_to_call():
    class Early(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call. Call super"):
        Early()


def test_attributes_move_between_stores():
    net = Net()
    net.kept = nn.Parameter(values(1))
    assert "kept" in dict(net.named_parameters()) and "kept" not in dict(net.named_buffers())
    net.first = None
    assert "first.weight" not in net.state_dict() and net.first is None
    del net.scale
    assert not hasattr(net, "scale") and "scale" not in dir(net) and "rest" in dir(net)


def test_repr_nests_and_indents():
    class Shown(Net):
        def extra_repr(self):
            return "one\ntwo"

    assert repr(Shown()) == """Shown(
  one
  two
  (first): Linear(in_features=3, out_features=4, bias=True)
  (rest): Sequential(
    (0): BatchNorm1d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    (1): Linear(in_features=4, out_features=2, bias=True)
  )
)"""


class Fails(nn.Module):
    def forward(self, x):
        raise ValueError("op: wrong")


names = st.sampled_from(["a", "conv", "block1"])
trees = st.recursive(
    st.sampled_from([nn.Identity, lambda: nn.Linear(1, 2), lambda: nn.BatchNorm1d(1)]),
    lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3),
    max_leaves=8,
)


def grown(tree):
    if not isinstance(tree, dict):
        return tree()
    return nn.Sequential(OrderedDict((name, grown(below)) for name, below in tree.items()))


@given(trees)
def test_paths_lead_to_what_they_name(tree):
    net = grown(tree)
    for path, module in net.named_modules():
        assert net.get_submodule(path) is module
    for path, p in net.named_parameters():
        assert net.get_parameter(path) is p and path in net.state_dict()
    kept = [*net.named_parameters(), *net.named_buffers()]
    assert sorted(net.state_dict()) == sorted(path for path, _ in kept)
    twin = grown(tree)
    assert twin.load_state_dict(net.state_dict()) == ([], [])
    assert repr(twin) == repr(net) == repr(copy.deepcopy(net))


@given(trees, st.data())
def test_the_layer_that_fails_is_named_by_its_path(tree, data):
    net = grown(tree)
    leaves = [(path, m) for path, m in net.named_modules() if path and not m._modules]
    if not leaves:
        return
    for _, m in leaves:
        m.forward = lambda x: x
    path, failing = data.draw(st.sampled_from(leaves))
    failing.forward = Fails().forward
    with pytest.raises(ValueError) as e:
        net(1)
    assert str(e.value) == f"{path}: op: wrong"


class Path(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.ModuleList([nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 3)))])

    def forward(self, x):
        for layer in self.features:
            x = layer(x)
        return x


def test_an_error_in_a_layer_names_its_path_from_the_outermost_model():
    x = values(1, 2, 5, 5)
    with pytest.raises(ValueError, match=r"^features\.0\.conv: conv2d: ") as e:
        Path()(x)
    assert isinstance(e.value, RuntimeError)
    with pytest.raises(ValueError, match=r"^1\.features\.0\.conv: conv2d: "):
        nn.Sequential(nn.Identity(), Path())(x)
    with pytest.raises(ValueError, match=r"^conv2d: "):
        Path().features[0].conv(x)


def test_an_error_of_a_model_itself_has_no_path():
    class Own(nn.Module):
        def forward(self, x):
            raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        Own()(1)
    with pytest.raises(ValueError, match=r"^0: mine$"):
        nn.Sequential(Own())(1)


def test_an_exception_of_another_kind_is_left_alone():
    class Stop(ValueError):
        pass

    class Own(nn.Module):
        def forward(self, x):
            raise Stop("text")

    with pytest.raises(Stop, match=r"^text$"):
        nn.Sequential(Own())(1)


def test_parameter_shares_memory_and_shows_itself():
    t = values(2)
    p = nn.Parameter(t)
    assert p.requires_grad and p.is_leaf and np.shares_memory(p._data, t._data)
    assert repr(p).startswith("Parameter containing:\n")
    assert not nn.Parameter(t, requires_grad=False).requires_grad
    assert type(p + 1) is minigrad.Tensor
    with pytest.raises(RuntimeError, match="only floating"):
        nn.Parameter(minigrad.tensor([1]))
    with pytest.raises(TypeError, match="data must be a Tensor"):
        nn.Parameter([1.0])
