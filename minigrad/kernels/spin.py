"""Waiting for another thread without sleeping, for a while; nothing else lives here.

A sleeping thread begins 50 us after it is called, on a virtual machine up to milliseconds: more
than many a layer takes. So does every OpenMP wait, and for as long.
"""

from __future__ import annotations

from typing import Any

from minigrad.kernels.jit import intrinsic, kernel

__all__ = ["spin"]


@kernel
def spin(word, seen, turns):
    """Wait until word[0] is no longer `seen`; at most so many turns of some 40 to 140 cycles."""
    turn = 0
    while turn < turns and _peek(word) == seen:
        turn += 1


@intrinsic
def _peek(typingctx, word):
    """word[0] as another thread may just have written it, after a pause of the processor."""
    from numba.core import cgutils, types

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        from llvmlite import binding, ir

        machine = binding.get_process_triple().split("-")[0]
        none, i32 = ir.VoidType(), ir.IntType(32)
        if machine == "x86_64":
            pause = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(none, []), "llvm.x86.sse2.pause"
            )
            builder.call(pause, [])
        elif machine in ("aarch64", "arm64"):
            hint = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(none, [i32]), "llvm.aarch64.hint"
            )
            builder.call(hint, [i32(1)])  # yield
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0])
        return builder.load_atomic(array.data, "acquire", 8)

    return types.int64(word), codegen
