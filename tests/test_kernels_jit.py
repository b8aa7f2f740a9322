"""The compile policy, its disk cache and the thread pool, mostly in fresh processes."""

import importlib
import os
import pkgutil
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from minigrad import kernels
from minigrad.kernels import cache, conv, jit, processors, threads

needs_jit = pytest.mark.skipif(not jit.jit_enabled(), reason="the compiled kernels are off")
ROOT = Path(__file__).resolve().parents[1]
LAYER = ((1, 1), (1, 1), (1, 1), 1)


def run(code, **env):
    """Standard output and error of `code` in a fresh process."""
    path = os.pathsep.join(p for p in (str(ROOT), os.environ.get("PYTHONPATH")) if p)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": path, **env},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


# A kernel of its own compiles in a fraction of what a convolution takes.
TINY = """
    import numpy as np
    from minigrad.kernels.index import scatter_add
    out = scatter_add(np.zeros((3, 2)), np.array([1, 1]), np.ones((2, 2)))
    assert out.tolist() == [[0, 0], [2, 2], [0, 0]]
"""


def test_import_of_kernels_loads_no_numba():
    run("""
        import sys
        from minigrad.kernels import conv, index, jit, loss, norm, optim, pool, resample
        assert "numba" not in sys.modules and "llvmlite" not in sys.modules
    """)


def test_minigrad_jit_0_runs_the_references_without_numba():
    out, _ = run(
        TINY
        + """
    import sys
    from minigrad.kernels import conv, jit
    conv.conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3)), None, (1, 1), (0, 0), (1, 1), 1)
    print(jit.jit_enabled(), "numba" in sys.modules)
    jit.warmup()
    """,
        MINIGRAD_JIT="0",
    )
    assert out.split() == ["False", "False"]


def test_numba_that_cannot_be_imported_leaves_the_references_and_one_warning(tmp_path):
    (tmp_path / "numba.py").write_text("raise ImportError('Numba needs NumPy 1.0 or less')")
    _, err = run(
        TINY + TINY,
        PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]),
        MINIGRAD_JIT="1",
    )
    assert err.count("Numba cannot be imported (Numba needs NumPy 1.0 or less)") == 1


@needs_jit
def test_cache_is_written_once_and_read_by_the_next_process(tmp_path):
    run(TINY, NUMBA_CACHE_DIR=str(tmp_path))
    (kernel,) = tmp_path.glob("minigrad-*/index.scatter_rows-*.kernel")
    stamp = kernel.stat().st_mtime_ns
    run(TINY, NUMBA_CACHE_DIR=str(tmp_path))
    assert kernel.stat().st_mtime_ns == stamp


@needs_jit
@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_corrupted_cache_is_compiled_again(tmp_path, damage):
    run(TINY, NUMBA_CACHE_DIR=str(tmp_path))
    (kernel,) = tmp_path.glob("minigrad-*/*.kernel")
    good = kernel.read_bytes()
    bad = bytearray(good)
    bad[len(bad) // 2] ^= 0xFF
    kernel.write_bytes({"cut": good[: len(good) // 2], "flip": bytes(bad), "empty": b""}[damage])
    _, err = run(TINY, NUMBA_CACHE_DIR=str(tmp_path))
    assert "Warning" not in err
    assert len(kernel.read_bytes()) > len(good) // 2


@needs_jit
def test_cache_that_cannot_be_written_gives_one_warning(tmp_path):
    occupied = tmp_path / "file"
    occupied.write_text("")  # stands where the folder should be, so that root cannot write either
    _, err = run(
        TINY
        + """
    from minigrad.kernels.norm import row_norm
    row_norm(np.ones((1, 1)), 1e-5)
    """,
        NUMBA_CACHE_DIR=str(occupied / "cache"),
    )
    assert err.count("compiled kernels cannot be kept") == 1
    assert "Set NUMBA_CACHE_DIR to a folder that can be written" in err


@needs_jit
def test_no_home_folder_is_no_error():
    env = {"HOME": "/nonexistent/home", "XDG_CACHE_HOME": "", "NUMBA_CACHE_DIR": ""}
    _, err = run(TINY, **env)
    assert "Traceback" not in err


@needs_jit
def test_cache_stamp_changes_with_any_source(monkeypatch):
    cache._stamp.cache_clear()
    before = cache._stamp()
    sources = cache._sources()
    assert {"simd.py", "correlate.py", "jit.py"} <= {name for name, _ in sources}
    edited = [(n, s + b"# edited" if n == "simd.py" else s) for n, s in sources]
    monkeypatch.setattr(cache, "_sources", lambda: edited)
    cache._stamp.cache_clear()
    assert cache._stamp() != before
    cache._stamp.cache_clear()


@needs_jit
def test_kernel_of_a_user_is_never_read_from_disk(tmp_path):
    """Its helpers may have been edited, which the stamp would not notice."""
    out, _ = run(
        """
        from minigrad.kernels.jit import kernel
        @kernel
        def double(x):
            return 2 * x
        print(double(21))
        """,
        NUMBA_CACHE_DIR=str(tmp_path),
    )
    assert out.strip() == "42" and not list(tmp_path.glob("*/*"))


@needs_jit
def test_slow_compile_is_announced_once(capsys):
    kept = cache.KernelCache("minigrad.kernels.some", "some_kernel")
    kept._announce(0.5)
    assert capsys.readouterr().err == ""
    kept._announce(2.25)
    kept._announce(3.0)
    assert capsys.readouterr().err.count("minigrad: compiled some_kernel in 2.2 s") == 1


@pytest.fixture
def four_threads():
    before = threads.get_num_threads()
    threads.set_num_threads(4)
    yield
    threads.set_num_threads(before)


def test_many_threads_may_call_kernels_at_once(four_threads):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(8, 8, 24, 24)), rng.normal(size=(8, 8, 3, 3))
    expected = conv.conv2d(x, w, None, *LAYER).tobytes()
    wrong = []

    def call():
        for _ in range(10):
            if conv.conv2d(x, w, None, *LAYER).tobytes() != expected:
                wrong.append(1)

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_child_has_a_pool_of_its_own():
    """In a process without other libraries' threads, for which fork gives no guarantee."""
    out, _ = run(f"""
        import os, signal
        import numpy as np
        from minigrad.kernels import conv, jit
        jit.set_num_threads(3)
        x, w = np.ones((8, 8, 24, 24)), np.ones((8, 8, 3, 3))
        expected = conv.conv2d(x, w, None, *{LAYER}).tobytes()
        pid = os.fork()
        if pid == 0:
            signal.alarm(60)
            same = conv.conv2d(x, w, None, *{LAYER}).tobytes() == expected
            os._exit(0 if same and jit.get_num_threads() == 3 else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """)
    assert out.strip() == "0"


def test_threads_follow_the_environment_and_are_checked():
    out, _ = run(
        "from minigrad.kernels import jit; print(jit.get_num_threads())", MINIGRAD_NUM_THREADS="3"
    )
    assert out.strip() == "3"
    with pytest.raises(ValueError, match=r"set_num_threads: n must be at least 1; got n 0\."):
        jit.set_num_threads(0)
    with pytest.raises(TypeError, match=r"set_num_threads: n must be an int; got n 1\.5\."):
        jit.set_num_threads(1.5)


@pytest.mark.parametrize(
    "files,groups,expected",
    [
        ({"cpu.max": "150000 100000"}, "0::/", 1.5),
        ({"cpu.max": "max 100000"}, "0::/", float("inf")),
        ({"cpu.max": "400000 100000", "a/b/cpu.max": "200000 100000"}, "0::/a/b", 2),
        (
            {"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"},
            "4:cpu,cpuacct:/",
            0.5,
        ),
        (
            {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
            "4:cpu,cpuacct:/",
            float("inf"),
        ),
        ({}, "nonsense", float("inf")),
    ],
)
def test_cpu_quota_of_a_container_is_read(tmp_path, files, groups, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "groups").write_text(groups + "\n")
    assert processors.cpu_quota(tmp_path, tmp_path / "groups") == expected


@needs_jit
def test_warmup_compiles_every_kernel():
    jit.warmup()
    for info in pkgutil.iter_modules(kernels.__path__, "minigrad.kernels."):
        for name, value in vars(importlib.import_module(info.name)).items():
            if isinstance(value, jit.Kernel) and value.keep:
                assert value.dispatcher.overloads, f"{info.name}.{name}"
