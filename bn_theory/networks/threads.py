"""One thread for small networks."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use a single thread inside, and as many as before afterwards.

    Sums are then taken in one order whatever the machine, and networks this small run faster: waiting for a second
    thread takes longer than its share of the work, by far where other programs hold the cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
