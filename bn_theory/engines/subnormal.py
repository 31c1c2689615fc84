"""Flush subnormal numbers to zero inside a compiled loop, on processors where they are slow.

Coordinates of a converging run decay through ``2e-308`` and then linger as subnormals, for which x86
processors take about a hundred cycles an operation (measured here: a factor of 4 on a whole run). Nothing
the package reports depends on numbers that small. Other processors handle them at full speed.
"""

import platform

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_FLUSH = 0x8040  # MXCSR: flush results to zero, read subnormal operands as zero
_X86 = platform.machine().lower() in ("x86_64", "amd64")


def _control(builder, name, slot):
    pointer = ir.PointerType(ir.IntType(8))
    function = builder.module.declare_intrinsic(f"llvm.x86.sse.{name}", (), ir.FunctionType(ir.VoidType(), [pointer]))
    builder.call(function, [builder.bitcast(slot, pointer)])


@intrinsic
def _exchange(typingctx, flags, keep):
    """Replace the control register by ``flags``, or add ``flags`` to it if ``keep``; returns the old one."""

    def codegen(context, builder, signature, arguments):
        new, keep = arguments
        word = ir.IntType(32)
        slot = builder.alloca(word)
        _control(builder, "stmxcsr", slot)
        old = builder.load(slot)
        builder.store(builder.select(builder.trunc(keep, ir.IntType(1)), builder.or_(old, new), new), slot)
        _control(builder, "ldmxcsr", slot)
        return old

    return types.uint32(types.uint32, types.boolean), codegen


if _X86:

    @njit(nogil=True)
    def flush_subnormals():
        """Start flushing in this thread; returns what ``restore`` needs."""
        return _exchange(_FLUSH, True)

    @njit(nogil=True)
    def restore(old):
        """Undo ``flush_subnormals``."""
        _exchange(old, False)

else:

    @njit(nogil=True)
    def flush_subnormals():
        """Nothing to do on this processor."""
        return 0

    @njit(nogil=True)
    def restore(old):
        """Nothing to do on this processor."""
