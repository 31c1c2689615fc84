"""The width of an oracle that knows the law, the window and the covariance of the noise."""

from __future__ import annotations

import numpy as np
from scipy import stats


def oracle_width(log_law, parameters, t, covariance, confidence=0.95):
    r"""Return the width of the interval that no unbiased estimate can beat, parameter 1 being the exponent.

    .. math:: w = 2 z \sqrt{\bigl[(J^T \Sigma^{-1} J)^{-1}\bigr]_{pp}} , \qquad J = \partial \log \mathrm{law}
    / \partial \theta .

    Generalised least squares with the true law, started at the true parameters, on all records and with
    the true covariance of ``log y``. Every parameter of the law is free, as it is for a fit.

    Args:
        log_law: function of ``(parameters, t)`` with values ``(records,)``.
        parameters: true values, shape ``(k,)``; number 1 is the exponent.
        t: record steps, shape ``(records,)``.
        covariance: of the relative deviation of the mean, shape ``(records, records)``.
        confidence: coverage of the interval.

    Returns:
        The width, dimensionless.

    Raises:
        numpy.linalg.LinAlgError: if the law's parameters cannot be told apart at these records.

    Source: Cramer-Rao bound; derived in this package.

    Example:
        >>> import numpy as np
        >>> t = np.geomspace(1, 1000, 31)
        >>> width = oracle_width(lambda q, t: q[0] - q[1] * np.log(t), (0.0, 0.5), t, 0.01 * np.eye(31))
        >>> print(f"{width:.5f}")
        0.03419
    """
    parameters = np.asarray(parameters, dtype=float)
    columns = []
    for k, value in enumerate(parameters):
        # central difference, step eps^(1/3): truncation and rounding both near 1e-10 of the value
        step = np.finfo(float).eps ** (1 / 3) * max(abs(value), 1.0)
        up, down = parameters.copy(), parameters.copy()
        up[k] += step
        down[k] -= step
        columns.append((log_law(up, t) - log_law(down, t)) / (2.0 * step))
    jacobian = np.stack(columns, axis=1)
    information = jacobian.T @ np.linalg.solve(covariance, jacobian)
    scale = np.sqrt(np.diag(information))
    # brought to a unit diagonal: parameters may differ by powers of ten
    inverse = np.linalg.inv(information / np.outer(scale, scale))
    return float(2.0 * stats.norm.ppf(0.5 + 0.5 * confidence) * np.sqrt(inverse[1, 1]) / scale[1])
