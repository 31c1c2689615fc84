"""A device that is the host: kernel texts compiled by g++ with CUDA's words supplied, called through ctypes."""

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

HEADER = Path(__file__).with_name("cuda_on_host.h")
GXX = shutil.which("g++")
# No contraction: the bounds of the tests count every operation as rounded, which a fused one only improves.
FLAGS = ("-std=c++17", "-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas",
         "-Wno-unused-function", "-Wno-unused-parameter", "-Wno-maybe-uninitialized", "-ffp-contract=off")  # fmt: skip


@cache
def compiled(kernel):
    """The launcher of a kernel."""
    names = ", ".join(name for _, name in kernel.parameters)
    declared = ", ".join(f"{kind} {name}" for kind, name in kernel.parameters)
    fibered = "true" if kernel.kind == "block" else "false"
    launcher = (
        f'extern "C" void launch(long long blocks, unsigned threads, int backwards, {declared})\n'
        f"{{\n    auto body = [&] {{ bn_theory_advance({names}); }};\n"
        f"    host::run_grid(blocks, threads, backwards != 0, body, {fibered});\n}}\n"
    )
    folder = Path(tempfile.mkdtemp(prefix="bn_theory_kernel_"))
    try:
        path = folder / "kernel.cpp"
        path.write_text(f'#include "{HEADER}"\n{kernel.text}\n{launcher}')
        library = folder / "kernel.so"
        done = subprocess.run([GXX, *FLAGS, str(path), "-o", str(library)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[:4000]
        return ctypes.CDLL(str(library)).launch
    finally:
        shutil.rmtree(folder, ignore_errors=True)


CTYPES = {"long long": ctypes.c_longlong, "unsigned": ctypes.c_uint}


class HostDevice:
    """What the engine needs of a device.

    Attributes:
        backwards: run the threads of a block from the last to the first.
        launches: how many kernels were launched.
    """

    name = "host"

    def __init__(self, backwards=False, free=2**40):
        self.backwards, self.free, self.launches = backwards, free, 0

    def free_bytes(self):
        return self.free

    def upload(self, array):
        return np.array(array, order="C", copy=True)

    def empty(self, count, dtype):
        return np.full(count, np.nan, dtype=dtype)

    def download(self, array):
        return array.copy()

    def launch(self, kernel, blocks, arguments):
        self.launches += 1
        given = [
            a.ctypes.data_as(ctypes.c_void_p) if isinstance(a, np.ndarray) else CTYPES[kind](int(a))
            for (kind, _), a in zip(kernel.parameters, arguments, strict=True)
        ]
        function = compiled(kernel)
        function.restype = None
        function(ctypes.c_longlong(blocks), ctypes.c_uint(kernel.threads), ctypes.c_int(self.backwards), *given)
