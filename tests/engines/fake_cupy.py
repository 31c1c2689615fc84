"""A stand-in for the module ``cupy`` on a machine without a device: arrays of array_api_strict behind CuPy's rules.

- Device arrays do not become NumPy arrays by themselves, and do not mix with them.
- Between ``begin_capture`` and ``end_capture`` nothing happens to any array: operations are written on a tape (what
  they would have made is NaN), and ``Graph.launch`` plays it, from and to the same arrays.
- During a capture CuPy refuses matrix products (cuBLAS) and transfers between host and device; so does this.

An operation that the array-API standard does not know fails, as it does in array_api_strict.
"""

import operator
from contextlib import contextmanager

import array_api_strict as strict
import numpy as np

ARRAY = type(strict.zeros(1))
CAPTURING = "the current stream is capturing, so {} are disallowed"


class DeviceArray:
    """An array that only the fake's operations can read."""

    __array_ufunc__ = None  # NumPy arrays leave reflected operations to this class, which refuses them

    def __init__(self, fake, data):
        self.fake, self.data = fake, data

    dtype = property(lambda self: self.data.dtype)
    shape = property(lambda self: self.data.shape)
    ndim = property(lambda self: self.data.ndim)
    device = property(lambda self: "the fake's device")
    T = property(lambda self: self.fake.do(lambda x: x.T, self))

    def __array_namespace__(self, api_version=None):
        return self.fake.namespace

    def __array__(self, *args, **keywords):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __getitem__(self, key):
        return self.fake.do(lambda x: x[key], self)

    def __setitem__(self, key, value):
        self.fake.write(self, key, value)

    def __matmul__(self, other):
        if self.fake.tape is not None:
            raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")
        return self.fake.do(operator.matmul, self, other)

    def __float__(self):
        self.fake.no_transfer("synchronous API calls")
        return float(self.data)

    def __bool__(self):
        self.fake.no_transfer("synchronous API calls")
        return bool(self.data)


def _operators():
    for name in (
        "add",
        "sub",
        "mul",
        "truediv",
        "pow",
        "and_",
        "or_",
        "xor",
        "rshift",
        "lshift",
        "lt",
        "le",
        "gt",
        "ge",
    ):
        function, special = getattr(operator, name), name.strip("_")
        setattr(DeviceArray, f"__{special}__", lambda self, other, f=function: self.fake.do(f, self, other))
        setattr(DeviceArray, f"__r{special}__", lambda self, other, f=function: self.fake.do(f, other, self))
    for name in ("neg", "invert", "abs"):
        function = getattr(operator, name)
        setattr(DeviceArray, f"__{name}__", lambda self, f=function: self.fake.do(f, self))


_operators()


class Namespace:
    """Array_api_strict's functions on device arrays; it goes by the name that array_api_compat knows CuPy by."""

    __name__ = "cupy"

    def __init__(self, fake):
        self.fake = fake

    def __getattr__(self, name):
        found = getattr(strict, name)
        if isinstance(found, type(strict.float64)) or not callable(found):
            return found
        return lambda *args, device=None, **keywords: self.fake.do(found, *args, **keywords)

    def asarray(self, x, *, dtype=None, device=None, copy=None):
        if isinstance(x, DeviceArray):
            return self.fake.do(strict.asarray, x, dtype=dtype, copy=copy)
        if np.ndim(x):
            self.fake.no_transfer("H2D transfers")
            self.fake.uploads += 1
        return self.fake.new(strict.asarray(x, dtype=dtype, copy=True))


class FakeCupy:
    """What the engine uses of the module, and what the tests want to know about it.

    Attributes:
        uploads: arrays that came from the host.
        launches: how often a graph was launched.
        captured_in_pool: whether the graph's temporary arrays came from the pool in use during the capture.
        given_later: arrays given out from that pool after the capture: a launch would overwrite them.
        off_stream: operations that were not on the stream of the capture.
    """

    def __init__(self, capture=True):
        self.namespace, self.cuda = Namespace(self), self
        self.tape, self.stream, self.allocator, self.graph_pool = None, None, None, None
        self.uploads = self.launches = self.given_later = self.off_stream = 0
        self.captured_in_pool = None
        self.capture = capture

    # the module

    def asarray(self, x):
        return self.namespace.asarray(x)

    def asnumpy(self, x):
        self.no_transfer("D2H transfers")
        return np.array(x.data)

    def get_current_stream(self):
        return self.stream or FakeStream(self)

    def Stream(self, non_blocking=False):
        assert non_blocking
        return FakeStream(self)

    def MemoryPool(self):
        return FakePool()

    @contextmanager
    def using_allocator(self, allocator):
        before, self.allocator = self.allocator, allocator
        yield
        self.allocator = before

    # operations

    def no_transfer(self, what):
        if self.tape is not None:
            raise RuntimeError(CAPTURING.format(what))

    def new(self, data):
        self.off_stream += self.stream is None
        self.given_later += self.tape is None and self.allocator is not None and self.allocator == self.graph_pool
        return DeviceArray(self, data)

    def do(self, function, *args, **keywords):
        """Call ``function``; while capturing, write it down and hand out NaN."""
        for x in args:
            if isinstance(x, np.ndarray):
                raise TypeError(f"Unsupported type {type(x)}")
        with np.errstate(all="ignore"):
            result = function(*_inside(args), **keywords)
        if not isinstance(result, (ARRAY, tuple, list)):
            return result
        outs = [self.new(x) for x in (result if isinstance(result, (tuple, list)) else [result])]
        if self.tape is not None:
            self.tape.append((function, args, keywords, outs))
            for out in outs:
                shared = any(np.shares_memory(out.data._array, x._array) for x in _arrays(_inside(args)))
                if not shared and out.dtype == strict.float64:
                    out.data[...] = float("nan")
        return type(result)(outs) if isinstance(result, (tuple, list)) else outs[0]

    def write(self, array, key, value):
        if isinstance(value, np.ndarray):
            raise TypeError(f"Unsupported type {type(value)}")
        self.off_stream += self.stream is None
        if self.tape is not None:
            self.tape.append((None, (array, key, value), {}, []))
        else:
            array.data[key] = _inside(value)


class FakePool:
    def malloc(self, size):
        raise AssertionError("only the name is used")


class FakeStream:
    def __init__(self, fake):
        self.fake = fake

    def __enter__(self):
        self.before, self.fake.stream = self.fake.stream, self
        return self

    def __exit__(self, *error):
        self.fake.stream = self.before

    def synchronize(self):
        assert self.fake.tape is None

    def begin_capture(self):
        if not self.fake.capture:
            raise RuntimeError("streamBeginCapture is not supported")
        assert self.fake.stream is self and self.fake.tape is None
        self.fake.tape = []
        self.fake.captured_in_pool = self.fake.allocator is not None

    def end_capture(self):
        tape, self.fake.tape = self.fake.tape, None
        self.fake.graph_pool = self.fake.allocator
        return FakeGraph(self.fake, tape)


class FakeGraph:
    def __init__(self, fake, tape):
        self.fake, self.tape = fake, tape

    def launch(self, stream=None):
        assert (stream or self.fake.stream) is self.fake.stream
        self.fake.launches += 1
        for function, args, keywords, outs in self.tape:
            if function is None:
                array, key, value = args
                array.data[key] = _inside(value)
                continue
            with np.errstate(all="ignore"):
                result = function(*_inside(args), **keywords)
            for out, x in zip(outs, result if isinstance(result, (tuple, list)) else [result], strict=True):
                out.data[...] = x


def _inside(x):
    if isinstance(x, (tuple, list)):
        return type(x)(map(_inside, x))
    return x.data if isinstance(x, DeviceArray) else x


def _arrays(x):
    return [a for y in x for a in _arrays(y)] if isinstance(x, (tuple, list)) else [x] * isinstance(x, ARRAY)
