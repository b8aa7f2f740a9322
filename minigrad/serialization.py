"""`save` and `load`: state dicts and whole checkpoints in one safetensors file, never a pickle.

A file holds its tensors by name, readable by whatever reads safetensors, and in the header's
metadata, under "minigrad", a JSON tree that says how the object was nested, with a checksum of the
data. Files without that entry, made by others, load as a flat dict. The tree is `_tree.py`'s,
getting bytes safely to and from the disk is `_files.py`'s; here are the public functions.
"""

from __future__ import annotations

import json
import random
import zlib
from typing import Any

import numpy as np

from ._files import read_bytes, what_is_it, write_bytes
from ._tree import Reader, Writer
from .random import get_rng_state, set_rng_state
from .tensor import wrap
from .values import device

__all__ = ["load", "load_checkpoint", "save", "save_checkpoint"]

VERSION = 1
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "BF16": "<u2",
}


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "save and load use the safetensors package, which is not installed. Run: pip install "
            "'minigrad[io]'"
        ) from error
    return safetensors


def save(obj: Any, f: Any) -> None:
    """Write a state dict, or any nesting of plain data and tensors, to one file.

    The write is atomic: whatever stops it, the file that was there before stays as it was.
    Tensors are stored by value, in row-major order; those that are the same region of memory are
    stored once and load as one, except in a flat dict of tensors, which is stored entry by entry
    so that other programs find every name.

    Parameters
    ----------
    obj : nesting of dict, list, tuple, set, Tensor, ndarray, number, str, bytes, bool, None
        A flat dict from str to Tensor becomes an ordinary safetensors file.
    f : str, path or binary file object

    Raises
    ------
    TypeError
        `obj` holds something else; the message says where.
    OSError
        The file cannot be written, say because the disk is full.
    ImportError
        safetensors is not installed.
    """
    library = _safetensors()
    writer = Writer(obj)
    note = {"version": VERSION, "crc32": _checksum(writer.arrays, writer.tree), "tree": writer.tree}
    text = json.dumps(note, separators=(",", ":"), allow_nan=False)
    data = library.numpy.save(writer.arrays, metadata={"minigrad": text})
    write_bytes(f, data)


def load(
    f: Any, map_location: Any = None, *, weights_only: bool | None = None, mmap: bool | None = None
) -> Any:
    """Read what `save` wrote, or any safetensors file.

    Nothing in a file is ever executed.

    Parameters
    ----------
    f : str, path or binary file object
    map_location : device or str
        There is one device; asking for another is an error.
    weights_only, mmap : bool
        Accepted for PyTorch's sake: nothing but data is ever loaded.

    Returns
    -------
    The object that was saved; for a file of another program a dict from str to Tensor. bfloat16
    becomes float32.

    Raises
    ------
    ValueError
        The file is truncated, corrupt, or of another format; the message says which.
    FileNotFoundError
        There is no such file.
    """
    if isinstance(map_location, (str, device)):
        device(map_location)
    library = _safetensors()
    name, data = read_bytes(f)
    header = _header(name, data)
    try:
        parts = library.deserialize(data)
    except Exception as error:  # the library's own class, which says why
        raise ValueError(
            f"load: {name} is not a valid safetensors file: {error}. It is damaged; take another "
            "copy."
        ) from error
    arrays = {key: _array(name, key, part) for key, part in parts}
    text = (header.get("__metadata__") or {}).get("minigrad")
    if text is None:
        return {key: wrap(a) for key, a in arrays.items()}
    try:
        note = json.loads(text)
        version, crc, tree = note["version"], note["crc32"], note["tree"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"load: {name} is corrupt: its description is damaged.") from error
    if version > VERSION:
        raise ValueError(
            f"load: {name} was written by a newer minigrad (format {version}; this one reads up to "
            f"{VERSION}). Update minigrad."
        )
    if _checksum(arrays, tree) != crc:
        raise ValueError(
            f"load: {name} is corrupt: its checksum is not the one that was saved. "
            "Take another copy."
        )
    return Reader(name, arrays).read(tree)


def save_checkpoint(
    f: Any, *, model: Any = None, optimizer: Any = None, scheduler: Any = None, loader: Any = None,
    epoch: int | None = None, extra: Any = None,
) -> None:
    """Write all that a training run needs to go on bit for bit, in one atomic file.

    Beside the states of what is given these are the states of the random generators: minigrad's
    default one, NumPy's and Python's.

    Parameters
    ----------
    f : str, path or binary file object
    model, optimizer, scheduler, loader : objects with `state_dict`
        A `DataLoader` makes a checkpoint in the middle of an epoch exact as well. Save after a
        training step is complete: the loader counts a batch as done once it was handed out.
    epoch : int
    extra : anything that `save` takes
        Histories, options, ...
    """
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "loader": loader}
    content: dict[str, Any] = {k: v.state_dict() for k, v in parts.items() if v is not None}
    content["random"] = {
        "minigrad": get_rng_state(),
        "numpy": np.random.get_state(),
        "python": random.getstate(),
    }
    content |= {"epoch": epoch, "extra": extra}
    save(content, f)


def load_checkpoint(
    f: Any, *, model: Any = None, optimizer: Any = None, scheduler: Any = None, loader: Any = None,
    strict: bool = True,
) -> dict[str, Any]:
    """Put what `save_checkpoint` wrote back into the objects given.

    With an `optimizer`, that is to go on training, the random generators are set as well; without
    one they are left alone.

    Parameters
    ----------
    f : str, path or binary file object
    model, optimizer, scheduler, loader : objects with `load_state_dict`
        Made as they were made for the run that was saved.
    strict : bool
        Whether the model's keys must match exactly.

    Returns
    -------
    dict
        The whole checkpoint: "epoch", "extra", and the states.

    Raises
    ------
    ValueError
        The file is not a checkpoint, or lacks the state of an object given; nothing is changed.
    """
    content = load(f)
    if not isinstance(content, dict) or "random" not in content:
        kind: Any = type(content).__name__
        if isinstance(content, dict):
            kind = sorted(map(str, content))[:5]
        raise ValueError(
            f"load_checkpoint: the file holds no checkpoint of a run; got {kind}. Use "
            "model.load_state_dict(minigrad.load(f)) for weights alone."
        )
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "loader": loader}
    missing = [k for k, v in parts.items() if v is not None and k not in content]
    if missing:
        raise ValueError(
            f"load_checkpoint: the checkpoint holds no state of {', '.join(missing)}; it holds "
            f"{', '.join(k for k in parts if k in content) or 'none'}."
        )
    if model is not None:
        model.load_state_dict(content["model"], strict=strict)
    for key in ("optimizer", "scheduler", "loader"):
        if parts[key] is not None:
            parts[key].load_state_dict(content[key])
    if optimizer is not None:
        states = content["random"]
        set_rng_state(states["minigrad"])
        np.random.set_state(states["numpy"])
        random.setstate(states["python"])
    return content


def _checksum(arrays: dict[str, np.ndarray], tree: Any) -> int:
    """CRC-32 of the description and of all tensors: names, dtypes, shapes, values."""
    crc = zlib.crc32(json.dumps(tree).encode())
    for key in sorted(arrays):
        a = arrays[key]
        crc = zlib.crc32(f"{key} {a.dtype.name} {a.shape}".encode(), crc)
        crc = zlib.crc32(a.reshape(-1).view(np.uint8).data, crc)
    return crc


def _array(name: str, key: str, part: dict[str, Any]) -> np.ndarray:
    """One stored tensor as an array of its own memory."""
    code = _DTYPES.get(part["dtype"])
    if code is None:
        raise ValueError(
            f"load: {name}: tensor {key!r} has dtype {part['dtype']}, which minigrad does not "
            "have. Convert it to float32 in the program that wrote the file."
        )
    raw = np.frombuffer(part["data"], code).reshape(part["shape"])
    if part["dtype"] == "BF16":  # the upper half of a float32
        return np.array((raw.astype(np.uint32) << 16).view(np.float32))
    return raw.astype(raw.dtype.newbyteorder("="), order="C")


def _header(name: str, data: bytes) -> dict[str, Any]:
    """The JSON header of a safetensors file, or an error that says what the file is instead."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 9 or data[8:9] != b"{":
        raise ValueError(f"load: {name} {what_is_it(data)}")
    if size > len(data) - 8:
        raise ValueError(
            f"load: {name} is truncated: its header alone takes {size + 8} bytes, the file has "
            f"{len(data)}. Take another copy."
        )
    try:
        header = json.loads(data[8 : 8 + size])
        ends = [v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"]
        end = max(ends, default=0)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(
            f"load: {name} is corrupt: its header is no safetensors header. Take another copy."
        ) from error
    if len(data) - 8 - size < end:
        raise ValueError(
            f"load: {name} is truncated: it should have {8 + size + end} bytes, and has "
            f"{len(data)}. Take another copy."
        )
    return header
