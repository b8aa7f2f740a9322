"""How threads share a kernel's chunks without the interpreter; nothing else lives here.

    @kernel
    def scale(team, chunks, x):
        for i in share(team, chunks):    # each thread takes some, until none is left
            ...

The caller enters the kernel, which leaves its own address and arguments where the workers look
(`threads` says where), and takes chunks like them. A worker waits in `serve` for that, without
sleeping, for a while: a sleeping thread begins 50 us after it is called, on a virtual machine up to
milliseconds, and one that needs the interpreter's lock waits for whoever holds it. Here it begins
within a microsecond. Every OpenMP waits so, and for as long.

No kernel may raise or leave the loop once it has taken a chunk: workers use its arguments.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from minigrad.kernels.jit import helper, intrinsic, kernel
from minigrad.kernels.simd import at
from minigrad.kernels.threads import ROW, Row, Shared

__all__ = ["mine", "serve", "share"]

ORDER = "seq_cst"


@intrinsic
def share(typingctx, team, chunks):
    """The chunks 0..chunks that fall to this thread; `team` is its row's address, 0 if alone."""
    from numba.core import types

    return _chunks_type()(types.intp, types.intp), _begin


@helper
def mine(team, work):
    """This thread's row of a kernel's work space (threads, size)."""
    return work[_member(team)]


@kernel
def serve(row, turns):
    """What a worker does: join the calls that come.

    Returns False after so many turns without one, True when there will be no more.
    """
    turn = 0
    while turn < turns:
        met = _join(row)
        if met == 2:
            return True
        turn = 0 if met == 1 else turn + 1
    return False


@intrinsic
def _member(typingctx, team):
    """0 for the caller, else the worker's number."""
    from numba.core import types

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (team,) = args
        alone = builder.icmp_signed("==", team, team.type(0))
        with builder.if_else(alone, likely=False) as (then, other):
            with then:
                first = builder.block
            with other:
                number, second = builder.load(_word(builder, team, Row.MEMBER)), builder.block
        member = builder.phi(team.type)
        member.add_incoming(team.type(0), first)
        member.add_incoming(number, second)
        return member

    return types.intp(types.intp), codegen


@intrinsic
def _join(typingctx, row):
    """Help with a call that was not seen before: 0 if there is none, 2 if it was the last."""
    from numba.core import types

    def codegen(context: Any, b: Any, signature: Any, args: Any) -> Any:
        from llvmlite import ir
        from numba.core import cgutils

        (row,) = args
        shared = b.load(_word(b, row, Row.SHARED))
        result = cgutils.alloca_once_value(b, row.type(0))
        call = _load(b, shared, Shared.CALL)
        new = b.icmp_signed("!=", call, b.load(_word(b, row, Row.SEEN)))
        with b.if_else(new) as (then, other):
            with then:
                b.store(call, _word(b, row, Row.SEEN))
                running = _word(b, shared, Shared.RUNNING)
                b.atomic_rmw("add", running, row.type(1), ORDER)
                # The caller closes, then waits for those who run: so the call is still open, or
                # its arguments are not looked at.
                still = b.icmp_signed("==", _load(b, shared, Shared.OPEN), call)
                member = b.load(_word(b, row, Row.MEMBER))
                wanted = b.icmp_signed("<", member, b.load(_word(b, shared, Shared.CHUNKS)))
                still = b.and_(still, wanted)
                with b.if_then(still):
                    entry = ir.FunctionType(ir.VoidType(), [row.type, row.type]).as_pointer()
                    function = b.inttoptr(b.load(_word(b, shared, Shared.FUNCTION)), entry)
                    b.call(function, [b.load(_word(b, shared, Shared.ARGUMENTS)), row])
                b.atomic_rmw("sub", running, row.type(1), ORDER)
                leave = b.icmp_signed("==", _load(b, shared, Shared.LEAVE), call)
                b.store(b.select(leave, row.type(2), row.type(1)), result)
            with other:
                _pause(b)
        return b.load(result)

    return types.intp(types.intp), codegen


def _word(b: Any, address: Any, number: int) -> Any:
    """Pointer to a word of a row."""
    return at(b, b.inttoptr(address, address.type.as_pointer()), int(number))


def _load(b: Any, address: Any, number: int) -> Any:
    return b.load_atomic(_word(b, address, number), ORDER, 8)


def _store(b: Any, value: Any, address: Any, number: int) -> None:
    b.store_atomic(value, _word(b, address, number), ORDER, 8)


def _pause(b: Any) -> None:
    """Tell the processor that this thread waits: some 40 to 140 cycles."""
    from llvmlite import binding, ir
    from numba.core import cgutils

    machine = binding.get_process_triple().split("-")[0]
    none, i32 = ir.VoidType(), ir.IntType(32)
    if machine == "x86_64":
        pause = cgutils.get_or_insert_function(
            b.module, ir.FunctionType(none, []), "llvm.x86.sse2.pause"
        )
        b.call(pause, [])
    elif machine in ("aarch64", "arm64"):
        hint = cgutils.get_or_insert_function(
            b.module, ir.FunctionType(none, [i32]), "llvm.aarch64.hint"
        )
        b.call(hint, [i32(1)])  # yield


def _yield(b: Any) -> None:
    """Let another thread have the processor, as one with work may share it with this one."""
    from llvmlite import ir
    from numba.core import cgutils

    if sys.platform != "win32":
        i32 = ir.IntType(32)
        b.call(cgutils.get_or_insert_function(
            b.module, ir.FunctionType(i32, []), "sched_yield"
        ), [])  # fmt: skip


@cache
def _chunks_type() -> Any:
    """Numba's type of what `share` returns, an iterator over numbers of chunks."""
    from numba.core import types
    from numba.core.imputils import RefType, iternext_impl
    from numba.extending import lower_builtin, models, register_model

    class Chunks(types.SimpleIteratorType):
        def __init__(self) -> None:
            super().__init__("minigrad.chunks", types.intp)

    @register_model(Chunks)
    class ChunksModel(models.StructModel):
        def __init__(self, manager: Any, type_: Any) -> None:
            place = types.EphemeralPointer(types.intp)
            members = [("team", types.intp), ("chunks", types.intp), ("at", place), ("end", place)]
            super().__init__(manager, type_, members)

    lower_builtin("iternext", Chunks)(iternext_impl(RefType.UNTRACKED)(_next))
    return Chunks()


def _begin(context: Any, b: Any, signature: Any, args: Any) -> Any:
    """The iterator: one who is alone has all chunks; the caller publishes the call.

    It is alone, too, while another thread of Python's has the workers.
    """
    from numba.core import cgutils

    team, chunks = args
    zero, one = team.type(0), team.type(1)
    chosen = cgutils.alloca_once_value(b, team)
    with b.if_then(b.icmp_signed("!=", team, zero)):
        calls = b.icmp_signed("==", b.load(_word(b, team, Row.MEMBER)), zero)
        with b.if_then(calls):
            busy = _word(b, b.load(_word(b, team, Row.SHARED)), Shared.BUSY)
            free = b.extract_value(b.cmpxchg(busy, zero, one, ORDER, ORDER), 1)
            with b.if_else(free) as (then, other):
                with then:
                    _publish(b, team, chunks)
                with other:
                    b.store(zero, chosen)
    made = cgutils.create_struct_proxy(signature.return_type)(context, b)
    made.team, made.chunks = b.load(chosen), chunks
    made.at = cgutils.alloca_once_value(b, zero)
    made.end = cgutils.alloca_once(b, team.type)
    b.store(b.select(b.icmp_signed("==", made.team, zero), chunks, zero), made.end)
    return made._getvalue()


def _publish(b: Any, team: Any, chunks: Any) -> None:
    """Leave for the workers how to call this function, with their row in the place of ours.

    Numba passes a place for the result, one for an exception, then the arguments, of which the
    first is the team.
    """
    from llvmlite import ir
    from numba.core import cgutils

    function, i64 = b.function, team.type
    rest = list(function.args[3:])
    kind = ir.LiteralStructType([a.type for a in rest])
    kept = cgutils.alloca_once(b, kind)
    for k, value in enumerate(rest):
        b.store(value, cgutils.gep_inbounds(b, kept, 0, k))
    entry = ir.Function(
        b.module, ir.FunctionType(ir.VoidType(), [i64, i64]), f"{function.name}.worker"
    )
    entry.linkage = "internal"
    e = ir.IRBuilder(entry.append_basic_block())
    there = e.inttoptr(entry.args[0], kind.as_pointer())
    values = [e.load(cgutils.gep_inbounds(e, there, 0, k)) for k in range(len(rest))]
    places = [e.alloca(a.type.pointee) for a in function.args[:2]]
    e.call(function, [*places, entry.args[1], *values])
    e.ret_void()
    shared = b.load(_word(b, team, Row.SHARED))
    b.store(b.ptrtoint(entry, i64), _word(b, shared, Shared.FUNCTION))
    b.store(b.ptrtoint(kept, i64), _word(b, shared, Shared.ARGUMENTS))
    b.store(chunks, _word(b, shared, Shared.CHUNKS))
    b.store(b.load(_word(b, shared, Shared.BACKWARDS)), _word(b, shared, Shared.TURNED))
    threads = b.load(_word(b, shared, Shared.THREADS))
    with cgutils.for_range(b, threads) as counted:
        first = b.sdiv(b.mul(counted.index, chunks), threads)
        b.store(first, _word(b, _row(b, shared, counted.index), Row.NEXT))
    call = b.add(_load(b, shared, Shared.CALL), i64(1))
    _store(b, call, shared, Shared.OPEN)
    _store(b, call, shared, Shared.CALL)


def _next(context: Any, b: Any, signature: Any, args: Any, result: Any) -> None:
    """The next chunk of those taken; else more are taken; else the caller waits for the others."""
    from numba.core import cgutils

    (type_,) = signature.args
    it = cgutils.create_struct_proxy(type_)(context, b, value=args[0])
    i64 = it.team.type
    here = b.load(it.at)
    done = b.icmp_signed(">=", here, b.load(it.end))
    together = b.icmp_signed("!=", it.team, i64(0))
    with b.if_then(b.and_(done, together), likely=False):
        _take(b, it)
    here = b.load(it.at)
    valid = b.icmp_signed("<", here, b.load(it.end))
    result.set_valid(valid)
    result.yield_(here)
    b.store(b.add(here, i64(1)), it.at)


def _take(b: Any, it: Any) -> None:
    """Take a quarter of what is left of this thread's chunks, or else of another's.

    Each thread has the same part of every call, so that it finds in its caches what it wrote in the
    last one. Large calls go through it forwards and backwards in turn (`threads.LARGE_WORK`).
    """
    from numba.core import cgutils

    team, i64 = it.team, it.team.type
    shared = b.load(_word(b, team, Row.SHARED))
    threads = b.load(_word(b, shared, Shared.THREADS))
    member = b.load(_word(b, team, Row.MEMBER))
    other = cgutils.alloca_once(b, i64)
    b.store(i64(0), other)
    ask, again, some, none, following, after = (
        b.append_basic_block(n) for n in ("ask", "again", "some", "none", "following", "after")
    )
    b.branch(ask)
    b.position_at_end(ask)
    whose = b.srem(b.add(member, b.load(other)), threads)
    stop = b.sdiv(b.mul(b.add(whose, i64(1)), it.chunks), threads)
    next_ = _word(b, _row(b, shared, whose), Row.NEXT)
    b.branch(again)
    b.position_at_end(again)
    first = b.load_atomic(next_, ORDER, 8)
    left = b.sub(stop, first)
    b.cbranch(b.icmp_signed(">", left, i64(0)), some, following)
    b.position_at_end(some)
    part = b.sdiv(left, i64(4))
    last = b.add(first, b.select(b.icmp_signed(">", part, i64(1)), part, i64(1)))
    got = b.cmpxchg(next_, first, last, ORDER, ORDER)
    turned = b.icmp_signed("!=", b.load(_word(b, shared, Shared.TURNED)), i64(0))
    begin = b.sdiv(b.mul(whose, it.chunks), threads)
    mirrored = b.sub(b.add(begin, stop), last)
    start = b.select(turned, mirrored, first)
    b.store(start, it.at)
    b.store(b.add(start, b.sub(last, first)), it.end)
    b.cbranch(b.extract_value(got, 1), after, again)
    b.position_at_end(following)
    asked = b.add(b.load(other), i64(1))
    b.store(asked, other)
    b.cbranch(b.icmp_signed("<", asked, threads), ask, none)
    b.position_at_end(none)
    b.store(i64(0), it.at)
    b.store(i64(0), it.end)
    with b.if_then(b.icmp_signed("==", member, i64(0))):
        _store(b, i64(0), shared, Shared.OPEN)
        _wait(b, shared)
        _store(b, i64(0), shared, Shared.BUSY)
    b.branch(after)
    b.position_at_end(after)


def _row(b: Any, shared: Any, member: Any) -> Any:
    """Address of a thread's row."""
    i64 = shared.type
    words = b.add(i64(int(Shared.ROWS)), b.mul(member, i64(ROW)))
    return b.add(shared, b.mul(words, i64(8)))


def _wait(b: Any, shared: Any) -> None:
    """Until no worker runs."""
    i64 = shared.type
    before = b.block
    look, go_on, leave, after = (
        b.append_basic_block(n) for n in ("look", "wait", "yield", "idle")
    )
    b.branch(look)
    b.position_at_end(look)
    turn = b.phi(i64)
    turn.add_incoming(i64(1), before)
    b.cbranch(
        b.icmp_signed("==", _load(b, shared, Shared.RUNNING), i64(0)), after, go_on
    )
    b.position_at_end(go_on)
    _pause(b)
    turn.add_incoming(b.add(turn, i64(1)), go_on)
    seldom = b.icmp_signed("==", b.and_(turn, i64(1023)), i64(0))
    b.cbranch(seldom, leave, look)
    b.position_at_end(leave)
    _yield(b)
    turn.add_incoming(b.add(turn, i64(1)), leave)
    b.branch(look)
    b.position_at_end(after)
