"""save and load: what goes in comes out, files survive accidents, wrong files are named."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import pickle
import subprocess
import sys
import textwrap
import zipfile
from collections import Counter, OrderedDict, namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad
from minigrad.serialization import load, load_checkpoint, save, save_checkpoint

pytest.importorskip("safetensors")

DTYPES = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]


def through(obj):
    file = io.BytesIO()
    save(obj, file)
    file.seek(0)
    return load(file)


def same(a, b):
    if isinstance(a, minigrad.Tensor):
        a, b = a.detach().numpy(), b.detach().numpy()
    if isinstance(a, (np.ndarray, np.generic)):
        return type(a) is type(b) and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=True)
    if isinstance(a, dict):
        return type(a) is type(b) and list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (a == b or a != a)


@st.composite
def arrays(draw):
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return (rng.normal(size=shape) * 3).astype(draw(st.sampled_from(DTYPES)))


keys = st.one_of(st.text(max_size=5), st.integers(), st.booleans(), st.tuples(st.integers()))
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9),
    st.binary(max_size=9), arrays(), arrays().map(minigrad.tensor),
    arrays().map(lambda a: a.reshape(-1)[:1].sum()),
)
trees = st.recursive(leaves, lambda t: st.one_of(
    st.lists(t, max_size=3), st.lists(t, max_size=3).map(tuple),
    st.dictionaries(keys, t, max_size=3), st.dictionaries(keys, t, max_size=3).map(OrderedDict),
), max_leaves=8)


@given(trees)
def test_what_is_saved_is_loaded(obj):
    assert same(obj, through(obj))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (2, 3)])
def test_flat_state_dict_is_an_ordinary_safetensors_file(dtype, shape, tmp_path):
    from safetensors.numpy import load_file

    x = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
    state = OrderedDict([("z.weight", minigrad.tensor(x)), ("a", minigrad.tensor([1.5]))])
    save(state, tmp_path / "w.safetensors")
    stored = load_file(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(stored["z.weight"], x)
    assert stored["z.weight"].dtype == x.dtype
    assert same(load(str(tmp_path / "w.safetensors")), state)


def test_strided_tensors_are_stored_in_row_major_order():
    x = minigrad.from_numpy(np.arange(12.0).reshape(3, 4))
    views = {"t": minigrad.from_numpy(x.numpy().T), "step": minigrad.from_numpy(x.numpy()[:, ::2]),
             "one": minigrad.from_numpy(np.broadcast_to(np.float32(3), (2, 2)))}
    loaded = through(views)
    assert same(views, loaded)
    assert all(t.is_contiguous() for t in loaded.values())
    loaded["one"].numpy()[0, 0] = 5  # memory of its own, and writeable
    assert loaded["one"].tolist() == [[5, 3], [3, 3]]


def test_tied_tensors_are_all_in_a_state_dict_and_stored_once_in_a_checkpoint():
    w = minigrad.tensor(np.zeros(1000))
    flat = {"encoder": w, "decoder": w.detach()}
    assert list(through(flat)) == ["encoder", "decoder"]
    out = through({"model": flat, "epoch": 1})["model"]
    assert out["encoder"].data_ptr() == out["decoder"].data_ptr()
    file = io.BytesIO()
    save({"model": flat, "epoch": 1}, file)
    assert file.tell() < 1.5 * w.nbytes


def test_leaves_keep_requires_grad_and_parameters_their_class():
    from minigrad.nn import Parameter

    p = Parameter(minigrad.tensor([1.0, 2.0]))
    x = minigrad.tensor([3.0]).requires_grad_()
    frozen = Parameter(minigrad.tensor([1.0]), requires_grad=False)
    a, b, c, d = through([p, x, frozen, (x * 2)])
    assert type(a) is Parameter and a.requires_grad and a.tolist() == [1, 2]
    assert type(b) is minigrad.Tensor and b.requires_grad
    assert type(c) is Parameter and not c.requires_grad
    assert not d.requires_grad


def test_odd_values_come_back():
    obj = [math.inf, -math.inf, {1, 2}, frozenset("a"), np.dtype("float32"), minigrad.Size([2, 3]),
           2**70, -0.0, np.float32(0.1), np.bool_(True), {None: 1, 2.5: 3, (1, "a"): 4}]
    back = through(obj)
    assert back == obj and math.copysign(1, back[7]) == -1
    assert type(back[8]) is np.float32 and type(back[5]) is minigrad.Size
    assert through(Counter("abca")) == {"a": 2, "b": 1, "c": 1}
    assert through({"__metadata__": minigrad.tensor(1)})["__metadata__"].item() == 1
    clash = through({"a.b": minigrad.tensor(1), "a": {"b": minigrad.tensor(2)}})
    assert clash["a.b"].item() == 1 and clash["a"]["b"].item() == 2


def test_file_of_another_program_loads_as_a_flat_dict(tmp_path):
    from safetensors.numpy import save_file

    save_file({"b": np.ones((2, 2), np.float32), "a": np.arange(3)}, tmp_path / "x.safetensors")
    out = load(tmp_path / "x.safetensors")
    assert out["a"].tolist() == [0, 1, 2] and out["b"].dtype == np.float32


def test_bfloat16_of_another_program_becomes_float32():
    head = json.dumps({"w": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    values = (np.array([1.5, -3.0], np.float32).view(np.uint32) >> 16).astype("<u2").tobytes()
    out = load(io.BytesIO(len(head).to_bytes(8, "little") + head + values))
    assert out["w"].dtype == np.float32 and out["w"].tolist() == [1.5, -3.0]


Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize("obj, error, message", [
    ({"model": {"f": len}}, TypeError, r"got builtin_function_or_method at obj\['model'\]\['f'\]"),
    ([1, object()], TypeError, r"got object at obj\[1\]"),
    (Pair(1, 2), TypeError, r"got Pair at obj. Save tuple\(x\)"),
    ({"a": np.array(["x"])}, TypeError, r"obj\['a'\] must be an array of numbers; got dtype <U1"),
    ({len: 1}, TypeError, "keys of dicts must be plain values"),
    (1j, TypeError, "got complex at obj"),
])
def test_what_cannot_be_saved_is_named_with_its_place(obj, error, message):
    with pytest.raises(error, match=message):
        save(obj, io.BytesIO())


def test_module_and_optimizer_are_pointed_to_their_state_dict():
    opt = minigrad.optim.SGD([minigrad.tensor([1.0])])
    with pytest.raises(TypeError, match=r"got SGD at obj\['opt'\]. Save its state_dict\(\)"):
        save({"opt": opt}, io.BytesIO())


def test_data_that_contains_itself_is_an_error():
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match=r"obj\[0\] contains itself"):
        save(loop, io.BytesIO())
    shared = [1]
    assert through([shared, shared]) == [[1], [1]]


# accidents ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
def test_failed_write_leaves_the_old_file_and_nothing_else(failing, tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    save({"epoch": 1}, path)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fail(*args, **kwargs):
        raise full

    if failing == "write":
        real = os.fdopen

        class Full(io.RawIOBase):
            def __init__(self, fd):
                self.fd = fd

            def write(self, data):
                raise full

            def close(self):
                if self.fd is not None:
                    os.close(self.fd)
                    self.fd = None

        monkeypatch.setattr(os, "fdopen", lambda fd, mode: Full(fd) if mode == "wb" else real(fd))
    else:
        monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match=r"could not write .*No space left.*is unchanged") as caught:
        save({"epoch": 2}, path)
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()
    assert load(path) == {"epoch": 1}
    assert os.listdir(tmp_path) == ["run.safetensors"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_real_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "run.safetensors"
    save({"epoch": 1}, path)
    code = textwrap.dedent("""
        import resource, signal, sys
        import numpy as np
        import minigrad
        from minigrad.serialization import save
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        try:
            save({"w": minigrad.tensor(np.zeros(100_000))}, sys.argv[1])
        except OSError as error:
            sys.stdout.write(str(error))
    """)
    ran = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60
    )
    assert "could not write" in ran.stdout and "unchanged" in ran.stdout, ran.stderr
    assert load(path) == {"epoch": 1}
    assert os.listdir(tmp_path) == ["run.safetensors"]


def test_interrupted_write_leaves_no_temporary_file(tmp_path, monkeypatch):
    def interrupt(fd):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save({"epoch": 2}, tmp_path / "run.safetensors")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions and links")
def test_new_file_keeps_permissions_and_links(tmp_path):
    path, link = tmp_path / "a", tmp_path / "latest"
    save({"epoch": 1}, path)
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask
    path.chmod(0o640)
    link.symlink_to(path)
    save({"epoch": 2}, link)
    assert link.is_symlink() and load(path) == {"epoch": 2}
    assert path.stat().st_mode & 0o777 == 0o640


def test_bad_places_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"folder .* does not exist\. Make it: os\.make"):
        save({}, tmp_path / "no" / "x")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        save({}, tmp_path)
    with pytest.raises(TypeError, match="path or a binary file object; got int"):
        save({}, 3)
    with pytest.raises(TypeError, match="opened in binary mode"):
        save({}, io.StringIO())
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        load(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        load(tmp_path)
    with pytest.raises(TypeError, match="path or a binary file object"):
        load(None)
    with pytest.raises(TypeError, match="opened in binary mode"):
        load(io.StringIO("x"))
    with pytest.raises(RuntimeError, match="CPU only"):
        load(tmp_path / "nothing", map_location="cuda")


# wrong files -------------------------------------------------------------------------------------


def written(obj=None):
    file = io.BytesIO()
    save({"w": minigrad.tensor(np.arange(50.0)), "n": 1} if obj is None else obj, file)
    return file.getvalue()


def test_every_truncation_is_an_error():
    data = written()
    for end in [*range(0, 60, 7), *range(60, len(data), 41), len(data) - 1]:
        with pytest.raises(ValueError, match=r"load: .*(truncated|damaged|empty|corrupt)"):
            load(io.BytesIO(data[:end]))


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_flipped_bits_never_load_in_silence(place, flip):
    data = bytearray(written())
    place %= len(data)
    data[place] ^= flip
    try:
        out = load(io.BytesIO(bytes(data)))
    except (ValueError, MemoryError, OverflowError):
        return
    # without the entry "minigrad" of the header it is a flat file, and says nothing of "n"
    want = {"w": list(range(50)), "n": 1}
    assert {k: getattr(v, "tolist", lambda v=v: v)() for k, v in out.items()} in (
        want, {"w": want["w"]}
    )


def test_changed_numbers_are_found_by_the_checksum():
    data = bytearray(written())
    data[-1] ^= 1
    with pytest.raises(ValueError, match="its checksum is not the one"):
        load(io.BytesIO(bytes(data)))


def test_file_of_a_newer_minigrad_says_so():
    data = written().replace(b'\\"version\\":1', b'\\"version\\":9')
    with pytest.raises(ValueError, match="written by a newer minigrad"):
        load(io.BytesIO(data))


def archive(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        for name in names:
            z.writestr(name, b"x")
    return file.getvalue()


@pytest.mark.parametrize("data, message", [
    (b"", "is empty"),
    (pickle.dumps({"a": 1}, protocol=2), "is a Python pickle"),
    (pickle.dumps({"a": 1}, protocol=5), "is a Python pickle"),
    (archive("archive/data.pkl", "archive/data/0"), r"is a PyTorch archive \(.pt, .pth\), which "
     "minigrad cannot read yet.*safetensors.torch import save_file"),
    (archive("arr_0.npy"), "is a NumPy archive"),
    (archive("a.txt"), "is a zip archive"),
    (b"PK\x03\x04broken", "is a zip archive"),
    (b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'}", r"is a NumPy array \(.npy\)"),
    (b"\x89HDF\r\n\x1a\n" + b"\x00" * 9, "is an HDF5 file"),
    (b"<!DOCTYPE html><html></html>", "is a web page"),
    (b"version https://git-lfs.github.com/spec/v1", "is a Git LFS pointer"),
    (b"hello, world, this is text", "is of an unknown format, or damaged; it begins with b'he"),
    (b"\xff\x00\x00\x00\x00\x00\x00\x00{}", "is truncated: its header alone"),
    (b"\x02\x00\x00\x00\x00\x00\x00\x00{]", "is corrupt: its header"),
    (b"\x02\x00\x00\x00\x00\x00\x00\x00[]", "is of an unknown format"),
])
def test_wrong_files_are_told_apart(data, message, tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"load: .*file.bin {message}"):
        load(path)


def test_file_written_by_torch_is_named():
    torch = pytest.importorskip("torch")
    for new in (True, False):
        file = io.BytesIO()
        torch.save({"w": torch.ones(2)}, file, _use_new_zipfile_serialization=new)
        with pytest.raises(ValueError, match=r"PyTorch archive|Python pickle"):
            load(io.BytesIO(file.getvalue()))


def test_missing_safetensors_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"pip install 'minigrad\[io\]'"):
        save({}, io.BytesIO())
    with pytest.raises(ImportError, match=r"pip install 'minigrad\[io\]'"):
        load(io.BytesIO())


# whole checkpoints -------------------------------------------------------------------------------


class Run:
    """A small training run: convolution, batch norm, dropout, Adam, a schedule, shuffling."""

    def __init__(self, workers=0):
        from minigrad import nn, optim
        from minigrad.utils import data

        minigrad.manual_seed(11)
        rng = np.random.default_rng(0)
        x = minigrad.from_numpy(rng.normal(size=(22, 1, 6, 6)).astype(np.float32))
        y = minigrad.from_numpy(rng.integers(0, 3, 22))
        self.loader = data.DataLoader(
            data.TensorDataset(x, y), 4, shuffle=True, num_workers=workers
        )
        self.model = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(),
            nn.Linear(64, 3),
        )
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.01, amsgrad=True)
        self.scheduler = optim.lr_scheduler.OneCycleLR(self.optimizer, 0.05, total_steps=30)
        self.losses = []

    def parts(self):
        return {k: getattr(self, k) for k in ("model", "optimizer", "scheduler", "loader")}

    def train(self, steps, stop_at=None, path=None):
        while len(self.losses) < steps:
            for x, y in self.loader:
                loss = self.loss(self.model(x), y)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.scheduler.step()
                self.losses.append(loss.item())
                if len(self.losses) == stop_at:
                    save_checkpoint(path, **self.parts(), epoch=0, extra={"losses": self.losses})
                    return
                if len(self.losses) == steps:
                    return


@pytest.mark.parametrize("stop, workers", [(6, 0), (8, 0), (8, 2)])
def test_resumed_run_goes_on_bit_for_bit(stop, workers, tmp_path):
    whole = Run()
    whole.train(20)
    first = Run(workers)
    first.train(20, stop, tmp_path / "run.safetensors")
    second = Run(2 - workers)
    minigrad.manual_seed(999)
    content = load_checkpoint(tmp_path / "run.safetensors", **second.parts())
    second.losses = content["extra"]["losses"]
    second.train(20)
    assert second.losses == whole.losses
    for (name, a), b in zip(whole.model.state_dict().items(), second.model.state_dict().values()):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=name)


def test_checkpoint_without_an_optimizer_leaves_random_numbers_alone(tmp_path):
    run = Run()
    save_checkpoint(tmp_path / "a", model=run.model, epoch=3)
    before = minigrad.get_rng_state().tolist()
    content = load_checkpoint(tmp_path / "a", model=run.model)
    assert content["epoch"] == 3
    assert minigrad.get_rng_state().tolist() == before
    with pytest.raises(ValueError, match="holds no state of optimizer; it holds model"):
        load_checkpoint(tmp_path / "a", optimizer=run.optimizer)
    save(run.model.state_dict(), tmp_path / "b")
    with pytest.raises(ValueError, match="holds no checkpoint of a run"):
        load_checkpoint(tmp_path / "b", model=run.model)
