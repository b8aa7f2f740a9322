"""Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

from __future__ import annotations

from collections import OrderedDict

import pytest

import minigrad
from minigrad import nn


def layers(n):
    return [nn.Linear(i + 1, i + 2) for i in range(n)]


@pytest.mark.parametrize("make", [lambda ms: nn.Sequential(*ms), nn.ModuleList])
def test_containers_edit_like_lists(make):
    a, b, c, d = layers(4)
    m = make([a, b])
    assert m.append(c) is m and m.insert(1, d) is m and list(m) == [a, d, b, c]
    assert m[1] is d and m[-1] is c and list(m[1:3]) == [d, b] and type(m[1:]) is type(m)
    del m[1]
    assert list(m) == [a, b, c] and [n for n, _ in m.named_children()] == ["0", "1", "2"]
    m[0] = d
    assert m.pop() is c and list(m) == [d, b]
    m.extend([a, c])
    m += [nn.ReLU()]
    assert len(m) == 5
    del m[1:4]
    assert [type(x).__name__ for x in m] == ["Linear", "ReLU"]
    assert len(m + make([a])) == 3
    m.insert(-1, b)
    assert list(m)[1] is b


@pytest.mark.parametrize("make", [nn.Sequential, nn.ModuleList])
def test_an_index_out_of_range_says_how_many(make):
    with pytest.raises(IndexError, match="index 3 is out of range for 0 modules"):
        make()[3]
    with pytest.raises(IndexError, match="insert: index 1 is out of range for 0"):
        make().insert(1, nn.ReLU())


def test_sequential_takes_names_and_slices_keep_them():
    m = nn.Sequential(OrderedDict(conv=nn.Identity(), act=nn.ReLU()))
    assert [n for n, _ in m[1:].named_children()] == ["act"] and m.act is m[1]
    assert m(minigrad.tensor([-1.0])).item() == 0
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        nn.Sequential(3)


def test_sequential_repeats():
    m = nn.Sequential(nn.ReLU()) * 3
    assert len(m) == 3
    with pytest.raises(ValueError, match="repeated at least once; got 0"):
        m * 0


def test_a_failed_insert_changes_nothing():
    m = nn.ModuleList(layers(2))
    with pytest.raises(TypeError, match="expected a Module; got int"):
        m.insert(0, 3)
    assert len(m) == 2


def test_module_list_shows_equal_neighbours_once():
    m = nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Sequential(nn.Tanh())])
    assert repr(m) == (
        "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Sequential(\n    (0): Tanh()\n  )\n)"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"


def test_lists_and_dicts_of_modules_are_not_called():
    with pytest.raises(NotImplementedError, match="ModuleList"):
        nn.ModuleList()(1)


def test_module_dict_behaves_like_a_dict():
    a, b = layers(2)
    m = nn.ModuleDict({"a": a})
    m.update([("b", b)])
    assert list(m) == ["a", "b"] and "b" in m and len(m) == 2 and m["b"] is b
    assert list(m.items()) == [("a", a), ("b", b)] and list(m.values()) == [a, b]
    assert m.pop("a") is a and list(m.keys()) == ["b"]
    del m["b"]
    m.clear()
    with pytest.raises(TypeError, match="element 0 must be a pair"):
        m.update([3])


def test_parameter_list_registers_tensors_as_parameters():
    p = nn.ParameterList([minigrad.tensor([1.0]), nn.Parameter(minigrad.tensor([2.0]))])
    p.append(minigrad.tensor([3.0]))
    assert [n for n, _ in p.named_parameters()] == ["0", "1", "2"] and len(p) == 3
    assert all(isinstance(x, nn.Parameter) for x in p) and len(p[1:]) == 2
    p[0] = minigrad.tensor([9.0])
    assert p[0].item() == 9 and p[-1].item() == 3
    assert repr(p).split("\n")[1] == "    (0): Parameter containing: [minigrad.float32 of size 1]"
    with pytest.raises(IndexError, match="index 5 is out of range for 3 parameters"):
        p[5]


def test_parameter_dict_behaves_like_a_dict():
    p = nn.ParameterDict({"a": minigrad.tensor([1.0])})
    p["b"] = minigrad.tensor([2.0])
    assert list(p.state_dict()) == ["a", "b"] and p.get("c") is None
    assert p.setdefault("c", minigrad.tensor([3.0])).item() == 3 and p.pop("a").item() == 1
    assert [k for k, _ in p.items()] == ["b", "c"]
    with pytest.raises(KeyError):
        p["zz"]
    with pytest.raises(KeyError, match="already exists"):
        p["forward"] = minigrad.tensor([1.0])
