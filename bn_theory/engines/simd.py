"""Several numbers at once: a vector type for compiled loops, so that nothing is left to a compiler's guess.

``Lanes`` holds ``WIDTH`` float64, ``Words`` as many uint64; both are LLVM vectors. Operators work lane by lane and take
a scalar on either side. What is written in one order is computed in that order: products and sums may be fused, never
reordered.
"""

from __future__ import annotations

import operator

from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic, models, overload, register_model

WIDTH = 8 if binding.get_host_cpu_features().get("avx512f") else 4
"""Lanes of a vector: one register of the widest kind (two with NEON or SSE2); wider ones would not fit the registers
that a step needs."""

_FLAGS = ("contract", "nsz")


class _Vector(types.Type):
    def __init__(self, name, element):
        self.element = element
        super().__init__(name=name)


class _Mask(types.Type):
    pass


LANES = _Vector("bn_theory.Lanes", types.float64)
WORDS = _Vector("bn_theory.Words", types.uint64)
MASK = _Mask("bn_theory.Mask")
_I32, _I64, _F64 = ir.IntType(32), ir.IntType(64), ir.DoubleType()
_LLVM = {
    LANES: ir.VectorType(_F64, WIDTH),
    WORDS: ir.VectorType(_I64, WIDTH),
    MASK: ir.VectorType(ir.IntType(1), WIDTH),
}


def _model(kind):
    class Model(models.PrimitiveModel):
        def __init__(self, manager, found):
            super().__init__(manager, found, _LLVM[found])

    register_model(kind)(Model)


_model(_Vector)
_model(_Mask)


def _spread(builder, scalar, vector):
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(_I32, 0))
    zeros = ir.Constant(ir.VectorType(_I32, WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), zeros)


def _as(context, builder, value, given, wanted):
    """A vector from a vector or from a scalar, which every lane gets."""
    if given == wanted:
        return value
    return _spread(builder, context.cast(builder, value, given, wanted.element), _LLVM[wanted])


@intrinsic
def splat(typingctx, x):
    """The same number in every lane."""

    def codegen(context, builder, signature, arguments):
        return _as(context, builder, arguments[0], signature.args[0], LANES)

    return LANES(x), codegen


@intrinsic
def splat_words(typingctx, x):
    """The same word in every lane."""

    def codegen(context, builder, signature, arguments):
        return _as(context, builder, arguments[0], signature.args[0], WORDS)

    return WORDS(x), codegen


def _address(context, builder, array_type, array, index):
    data = context.make_array(array_type)(context, builder, value=array).data
    return builder.gep(data, [index])


def _vector_of(array):
    return next(v for v in (LANES, WORDS) if v.element == array.dtype)


@intrinsic
def load(typingctx, array, index):
    """``WIDTH`` neighbouring elements of a contiguous array, as ``Lanes`` or ``Words``."""
    found = _vector_of(array)

    def codegen(context, builder, signature, arguments):
        place = _address(context, builder, signature.args[0], arguments[0], arguments[1])
        return builder.load(builder.bitcast(place, _LLVM[found].as_pointer()), align=8)

    return found(array, types.intp), codegen


@intrinsic
def store(typingctx, array, index, vector):
    """Write a vector to neighbouring elements of a contiguous array."""
    wanted = _vector_of(array)

    def codegen(context, builder, signature, arguments):
        place = _address(context, builder, signature.args[0], arguments[0], arguments[1])
        value = _as(context, builder, arguments[2], signature.args[2], wanted)
        builder.store(value, builder.bitcast(place, _LLVM[wanted].as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), codegen


def _binary(operation, emit, vector):
    """Overload an operator for a vector with a vector or a scalar on either side."""

    @intrinsic
    def call(typingctx, a, b):
        def codegen(context, builder, signature, arguments):
            pair = (_as(context, builder, x, t, vector) for x, t in zip(arguments, signature.args, strict=True))
            return emit(builder, *pair)

        return vector(a, b), codegen

    @overload(operation)
    def choose(a, b):
        pair = (a, b)
        if vector in pair and all(t == vector or isinstance(t, (types.Float, types.Integer)) for t in pair):
            return lambda a, b: call(a, b)
        return None


for _operation, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _binary(_operation, lambda builder, a, b, name=_name: getattr(builder, name)(a, b, flags=_FLAGS), LANES)
for _operation, _name in (
    (operator.add, "add"),
    (operator.mul, "mul"),
    (operator.and_, "and_"),
    (operator.or_, "or_"),
    (operator.xor, "xor"),
    (operator.rshift, "lshr"),
    (operator.lshift, "shl"),
):
    _binary(_operation, lambda builder, a, b, name=_name: getattr(builder, name)(a, b), WORDS)


def _unary(name):
    """A vector function of LLVM by its name."""

    @intrinsic
    def call(typingctx, x):
        def codegen(context, builder, signature, arguments):
            vector = _LLVM[LANES]
            kind = ir.FunctionType(vector, [vector])
            function = builder.module.declare_intrinsic(f"llvm.{name}.v{WIDTH}f64", (), kind)
            return builder.call(function, [_as(context, builder, arguments[0], signature.args[0], LANES)])

        return LANES(x), codegen

    return call


root = _unary("sqrt")
"""Square root of every lane (correctly rounded, NaN below 0)."""
_magnitude = _unary("fabs")


@overload(abs)
def _abs(x):
    if x == LANES:
        return lambda x: _magnitude(x)
    return None


@intrinsic
def _negative(typingctx, x):
    return LANES(LANES), lambda context, builder, signature, arguments: builder.fneg(arguments[0])


@overload(operator.neg)
def _neg(x):
    if x == LANES:
        return lambda x: _negative(x)
    return None


@intrinsic
def fused(typingctx, a, b, c):
    """``a * b + c`` in every lane, in one instruction and rounding where the processor has it."""

    def codegen(context, builder, signature, arguments):
        vector = _LLVM[LANES]
        operands = [_as(context, builder, x, t, LANES) for x, t in zip(arguments, signature.args, strict=True)]
        kind = ir.FunctionType(vector, [vector] * 3)
        function = builder.module.declare_intrinsic(f"llvm.fmuladd.v{WIDTH}f64", (), kind)
        return builder.call(function, operands)

    return LANES(a, b, c), codegen


@intrinsic
def pick(typingctx, a, b, chosen, other):
    """``chosen`` in the lanes where ``a <= b``, else ``other`` (where one of them is NaN, too)."""

    def codegen(context, builder, signature, arguments):
        a, b, chosen, other = (
            _as(context, builder, x, t, LANES) for x, t in zip(arguments, signature.args, strict=True)
        )
        return builder.select(builder.fcmp_ordered("<=", a, b), chosen, other)

    return LANES(a, b, chosen, other), codegen


@intrinsic
def first_lanes(typingctx, count):
    """The mask of the first ``count`` lanes."""

    def codegen(context, builder, signature, arguments):
        numbers = ir.Constant(_LLVM[WORDS], list(range(WIDTH)))
        number = context.cast(builder, arguments[0], signature.args[0], types.uint64)
        return builder.icmp_unsigned("<", numbers, _spread(builder, number, _LLVM[WORDS]))

    return MASK(count), codegen


@intrinsic
def only(typingctx, mask, x):
    """``x`` in the lanes of a mask, 0 elsewhere."""

    def codegen(context, builder, signature, arguments):
        value = _as(context, builder, arguments[1], signature.args[1], LANES)
        return builder.select(arguments[0], value, ir.Constant(_LLVM[LANES], [0.0] * WIDTH))

    return LANES(mask, x), codegen


@intrinsic
def lane(typingctx, x, k):
    """One lane; a scalar is the same in every lane."""
    element = x.element if isinstance(x, _Vector) else x

    def codegen(context, builder, signature, arguments):
        if not isinstance(signature.args[0], _Vector):
            return arguments[0]
        return builder.extract_element(arguments[0], builder.trunc(arguments[1], _I32))

    return element(x, types.intp), codegen


@intrinsic
def with_lane(typingctx, vector, k, x):
    """A copy with one lane changed."""

    def codegen(context, builder, signature, arguments):
        value = context.cast(builder, arguments[2], signature.args[2], vector.element)
        return builder.insert_element(arguments[0], value, builder.trunc(arguments[1], _I32))

    return vector(vector, types.intp, x), codegen


@intrinsic
def across(typingctx, x):
    """The sum of all lanes: halves are added until one number is left."""

    def codegen(context, builder, signature, arguments):
        value, width = arguments[0], WIDTH
        while width > 1:
            width //= 2
            halves = (
                builder.shuffle_vector(
                    value,
                    ir.Constant(value.type, ir.Undefined),
                    ir.Constant(ir.VectorType(_I32, width), list(range(start, start + width))),
                )
                for start in (0, width)
            )
            value = builder.fadd(*halves, flags=_FLAGS)
        return builder.extract_element(value, ir.Constant(_I32, 0))

    return types.float64(LANES), codegen


@intrinsic
def flip(typingctx, x, words):
    """``x`` with its sign changed in the lanes whose word has its highest bit set."""

    def codegen(context, builder, signature, arguments):
        value = _as(context, builder, arguments[0], signature.args[0], LANES)
        sign = builder.and_(arguments[1], ir.Constant(_LLVM[WORDS], [1 << 63] * WIDTH))
        bits = builder.bitcast(value, _LLVM[WORDS])
        return builder.bitcast(builder.xor(bits, sign), _LLVM[LANES])

    return LANES(x, WORDS), codegen


@intrinsic
def fan(typingctx, word):
    """One word in every lane, shifted up by ``WIDTH - 1`` in the first lane and by 0 in the last."""

    def codegen(context, builder, signature, arguments):
        word = context.cast(builder, arguments[0], signature.args[0], types.uint64)
        ups = ir.Constant(_LLVM[WORDS], [WIDTH - 1 - k for k in range(WIDTH)])
        return builder.shl(_spread(builder, word, _LLVM[WORDS]), ups)

    return WORDS(word), codegen
