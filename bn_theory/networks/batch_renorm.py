"""Batch renormalisation, which torch does not have."""

from __future__ import annotations

import torch
from torch.nn.modules.batchnorm import _NormBase


class BatchRenorm(_NormBase):
    """Batch normalisation corrected towards the running averages that are used after training.

    In training, with mean ``m`` and variance ``v`` of the batch and their running averages ``M``, ``V``,

        y = gamma ((x - m)/sqrt(v + eps) r + d) + beta,
        r = clip(sqrt((v + eps)/(V + eps)), 1/r_max, r_max),    d = clip((m - M)/sqrt(V + eps), -d_max, d_max),

    where no gradient goes through ``r`` and ``d``; in eval mode ``m`` and ``v`` are ``M`` and ``V``, ``r = 1`` and
    ``d = 0``. With ``r_max = 1`` and ``d_max = 0`` it is batch normalisation. The gradient is orthogonal to the filter,
    as there, but where no clip is active the output follows the filter's scale: it is not scale-invariant.

    Args:
        channels: second axis of the input, ``(n, channels)`` or ``(n, channels, height, width)``.
        eps: added to variances. momentum: of the running averages. affine: whether gamma and beta are trained.
        r_max: >= 1. d_max: >= 0. All dimensionless.

    Source: Ioffe (NeurIPS 2017, arXiv:1702.03275). The paper raises the limits during training, here they are fixed.

    >>> layer = BatchRenorm(3, r_max=1.0, d_max=0.0)
    >>> x = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    >>> torch.allclose(layer(x), torch.nn.BatchNorm2d(3)(x), atol=1e-6)
    True
    """

    def __init__(self, channels, *, eps=1e-5, momentum=0.1, affine=True, r_max=3.0, d_max=5.0, dtype=None):
        super().__init__(channels, eps=eps, momentum=momentum, affine=affine, track_running_stats=True, dtype=dtype)
        self.r_max, self.d_max = r_max, d_max

    def forward(self, x):
        """Normalise ``x``, shape ``(n, channels, ...)``."""
        shape = (1, -1, *[1] * (x.ndim - 2))
        if self.training:
            axes = (0, *range(2, x.ndim))
            variance, mean = torch.var_mean(x, axes, correction=0)
            with torch.no_grad():
                deviation = torch.sqrt(self.running_var + self.eps)
                r = (torch.sqrt(variance + self.eps) / deviation).clamp(1 / self.r_max, self.r_max)
                d = ((mean - self.running_mean) / deviation).clamp(-self.d_max, self.d_max)
                self._remember(mean, variance, x.numel() // x.shape[1])
            scale = r / torch.sqrt(variance + self.eps)
            y = (x - mean.view(shape)) * scale.view(shape) + d.view(shape)
        else:
            scale = 1 / torch.sqrt(self.running_var + self.eps)
            y = (x - self.running_mean.view(shape)) * scale.view(shape)
        return y * self.weight.view(shape) + self.bias.view(shape) if self.affine else y

    def _remember(self, mean, variance, entries):
        # as in torch's batch normalisation, the running variance is of the unbiased estimate
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (entries / max(1, entries - 1)), self.momentum)
        self.num_batches_tracked.add_(1)

    def _check_input_dim(self, x):
        pass

    def extra_repr(self):
        """As of other normalisations, with the limits."""
        return f"{super().extra_repr()}, r_max={self.r_max}, d_max={self.d_max}"
