"""Data of an array function that live where its argument lives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from array_api_compat import is_jax_namespace


@dataclass(frozen=True, eq=False)
class Resident:
    """A NumPy array that an array function closes over, copied to each namespace and device once.

    ``xp.asarray(array)`` inside a function would copy the data in every step of a run, and is not allowed at all while
    a CUDA graph is captured. The copies are kept as long as this object. Do not change the array afterwards.

    Attributes:
        array: the data, on the host.

    >>> import numpy as np, array_api_compat
    >>> a = Resident(np.array([1.0, 2.0]))
    >>> w = np.ones(2)
    >>> a.on(array_api_compat.array_namespace(w), w).tolist()
    [1.0, 2.0]
    """

    array: np.ndarray
    _copies: dict = field(default_factory=dict, init=False, repr=False)

    def on(self, xp, like) -> Any:
        """The data in the namespace ``xp``, on the device of the array ``like``."""
        device = getattr(like, "device", None)
        key = xp, str(device)  # devices of some libraries have no hash
        found = self._copies.get(key)
        if found is None:
            found = xp.asarray(self.array, device=device)
            if is_jax_namespace(xp):  # under a trace it belongs to that trace
                return found
            self._copies[key] = found
        return found
