"""Who may import whom, read from the source by ast; and what `import minigrad` loads."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "minigrad"

# A room (a module, or a folder with all that is in it) may import itself and what stands to its
# right, also inside functions.
BASE = "errors dtypes _files complaints"
CORE = f"{BASE} quiet modes sole engine values described tensor convert installed"
RECORDING = f"{CORE} call contract custom trace plan opnode record inplace op differentiate"
OPS = f"{RECORDING} kernels ops random _tree"
ARROWS = {
    "errors": "",
    "dtypes": "errors",
    "complaints": "errors",
    "modes": "",
    "engine": "errors modes",
    "quiet": "",
    "sole": "",
    "values": BASE,
    "kernels": BASE,
    "described": f"{BASE} engine installed values",
    "tensor": CORE,
    "convert": CORE,
    "opnode": CORE,
    "record": f"{CORE} opnode",
    "call": f"{CORE} record",
    "contract": CORE,
    "plan": f"{CORE} contract custom",
    "trace": f"{CORE} record",
    "custom": f"{CORE} contract record trace",
    "op": f"{CORE} plan record call contract custom",
    "inplace": f"{CORE} record",
    "differentiate": f"{CORE} kernels",
    "ops": f"{OPS} autograd",
    "testing": OPS,
    "autograd": f"{OPS} testing",
    "nn": f"{OPS} autograd",
    "optim": f"{OPS} nn",
    "utils": OPS,
    "vision": f"{OPS} nn utils",
    "summary": f"{OPS} nn",
    "settings": CORE,
    "amp": CORE,
    "cuda": "amp",
    "jit": "",
    "viz": f"{OPS} nn utils summary",
    "profiler": f"{OPS} optim",
}
# Knots of the core: imported only inside functions, when the whole package is there.
LATER = {
    "described": "printing",
    "tensor": "inplace printing differentiate op ops record",
    "inplace": "op",
    "op": "inplace",
    "convert": "ops op",
    "testing": "random",
}
HEAVY = "numba matplotlib hypothesis safetensors PIL tqdm rich torch scipy pandas"
ONLY_IN = {
    "numba": ["kernels"],
    "hypothesis": [
        f"testing/{name}.py"
        for name in ("cases", "strategies", "arguments", "properties", "pytest_plugin")
    ],
    "matplotlib": ["viz"],
    "torch": [],
}


def _room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@functools.cache
def _imports(path: Path) -> tuple[tuple[str, bool], ...]:
    return tuple(_read_imports(path))


def _read_imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(module, whether it is inside a function) of every import, relative ones made absolute."""
    package = ["minigrad", *path.relative_to(ROOT).parts[:-1]]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for child in ast.walk(node)
    }
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, id(node) in inside
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            if module == "minigrad":
                for name in node.names:
                    yield f"minigrad.{name.name}", id(node) in inside
            else:
                yield module, id(node) in inside


FILES = sorted(p for p in ROOT.rglob("*.py") if "__pycache__" not in p.parts)


@pytest.mark.parametrize("room", sorted(ARROWS))
def test_arrows_go_one_way(room: str) -> None:
    wrong = []
    for path in FILES:
        if _room(path) != room:
            continue
        for module, inside in _imports(path):
            parts = module.split(".")
            if parts[0] != "minigrad" or len(parts) < 2 or parts[1] == room:
                continue
            allowed = ARROWS[room].split() + (LATER.get(room, "").split() if inside else [])
            if parts[1] not in allowed:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_engine_is_free_of_numpy() -> None:
    assert all("numpy" not in module for module, _ in _imports(ROOT / "engine.py"))


@pytest.mark.parametrize("name", sorted(ONLY_IN))
def test_optional_package_is_imported_in_its_room_only(name: str) -> None:
    places = ONLY_IN[name]
    wrong = [
        str(path.relative_to(ROOT))
        for path in FILES
        if any(module.split(".")[0] == name for module, _ in _imports(path))
        and not any(path.relative_to(ROOT).as_posix().startswith(place) for place in places)
    ]
    assert not wrong, f"{name} is imported in {', '.join(wrong)}"


def _run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_loads_nothing_heavy() -> None:
    code = "import sys, minigrad; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = set(_run(code).split())
    assert not loaded & set(HEAVY.split())


def test_import_takes_less_than_a_second_beyond_numpy() -> None:
    code = (
        "import numpy, time; t = time.perf_counter(); import minigrad; "
        "print(time.perf_counter() - t)"
    )
    assert min(float(_run(code)) for _ in range(3)) < 1.0


def test_gradient_checks_need_no_hypothesis() -> None:
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import minigrad as mg\n"
        "x = mg.tensor([1.0, 2.0], dtype=mg.float64).requires_grad_()\n"
        "print(mg.autograd.gradcheck(lambda t: t * t, x))"
    )
    assert _run(code) == "True"


def test_files_begin_with_what_lives_in_them_and_are_short() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(ROOT)
        assert not text.strip() or text.startswith(('"""', "# ", 'r"""')), f"{name}: no first line"
        assert text.count("\n") <= 400, f"{name}: {text.count(chr(10))} lines; split it by subject"
