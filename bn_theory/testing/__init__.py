"""Assertions for the tests of your own losses, optimisers and networks; each returns judged ``Evidence``.

One that does not hold raises ``ClaimFailedError``, an ``AssertionError`` with the values, what is allowed, and what to
look at; so does one that the data do not decide. With the pytest plugin each one's evidence is in the test's report.
"""

from bn_theory.errors import ClaimFailedError
from bn_theory.testing.bound import assert_bound
from bn_theory.testing.equivalence import assert_equivalent_schedule
from bn_theory.testing.exponent import assert_exponent
from bn_theory.testing.norm_growth import assert_norm_growth
from bn_theory.testing.scale_invariance import assert_scale_invariant

__all__ = [
    "ClaimFailedError",
    "assert_bound",
    "assert_equivalent_schedule",
    "assert_exponent",
    "assert_norm_growth",
    "assert_scale_invariant",
]
