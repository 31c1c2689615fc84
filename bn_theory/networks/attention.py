"""One layer of attention with normalised queries and keys, several independent copies of it at once.

Two tokens ``a, b`` of ``0 .. p-1`` go in, the logits of ``p`` classes come out:

    x_t = E[token_t] + pos_t                                      d entries each
    q, k = rms(x W_Q), rms(x W_K)     per head of d/h entries     rms(y) = y/sqrt(mean y^2), no epsilon
    z_t = x_t + (softmax(q_t k^T/sqrt(d/h)) x W_V) W_O
    y = mean over t of (z_t + relu(z_t W_1 + b_1) W_2),           logits = y W_U

With the normalisation the logits do not change with the scale of W_Q or W_K (nor with that of the columns of one head):
proved in ``proofs_check.low_rank_decay2026.grokking``. Each parameter has a first axis of runs, which share nothing
but the time it takes: the gradient of a sum of their losses is that of each.

Source: derived in this package, on the subject of Li (arXiv:2606.04405).
"""

from __future__ import annotations

import math

import torch
from torch import nn

from bn_theory.errors import InvalidInputError

DECAYED = ("W_Q", "W_K")
"""The parameters that are scale-invariant with the normalisation."""
EMBEDDING = 0.3
"""Standard deviation of embeddings and positions at the start: from large ones training fits without generalising."""


class AttentionRuns(nn.Module):
    """Independent copies of the model, for modular addition.

    Args:
        p: number of tokens and of classes, ``>= 2``.
        seeds: one for each run; the same seed gives the same start.
        width: d. heads: h, a divisor of d. hidden: of the layer of ReLU.
        normalised: whether queries and keys are divided by their root mean square.
        orthogonal: whether W_Q and W_K start with all singular values 1 instead of Gaussian entries.
        dtype: of everything.

    Attributes:
        E, pos, W_Q, W_K, W_V, W_O, W_1, b_1, W_2, W_U: shapes ``(runs, ...)``. Matrices start Gaussian, of
            variance one over their number of rows, E and pos of standard deviation 0.3, b_1 at 0. W_Q and W_K are
            rescaled to ``|W|_F^2 = d``.

    Raises:
        InvalidInputError: sizes or seeds that cannot be used.

    >>> model = AttentionRuns(5, [0, 1], width=8, heads=2, hidden=16)
    >>> model(torch.tensor([[0, 1], [2, 3], [4, 4]])).shape
    torch.Size([2, 3, 5])
    """

    def __init__(
        self, p, seeds, *, width=32, heads=2, hidden=64, normalised=True, orthogonal=False, dtype=torch.float32
    ):
        super().__init__()
        _checked(p, seeds, width, heads, hidden)
        self.p, self.heads, self.normalised = p, heads, normalised
        shapes = {
            "E": ((p, width), EMBEDDING**-2),
            "pos": ((2, width), EMBEDDING**-2),
            "W_Q": ((width, width), width),
            "W_K": ((width, width), width),
            "W_V": ((width, width), width),
            "W_O": ((width, width), width),
            "W_1": ((width, hidden), width),
            "W_2": ((hidden, width), hidden),
            "W_U": ((width, p), width),
        }
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        for name, (shape, fan) in shapes.items():
            drawn = [torch.randn(shape, generator=g, dtype=torch.float64) / math.sqrt(fan) for g in generators]
            if name in DECAYED:
                drawn = [_orthogonal(one) if orthogonal else _of_norm(one, math.sqrt(width)) for one in drawn]
            setattr(self, name, nn.Parameter(torch.stack(drawn).to(dtype)))
        self.b_1 = nn.Parameter(torch.zeros(len(seeds), 1, hidden, dtype=dtype))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits, shape ``(runs, n, p)``, of pairs of tokens, shape ``(n, 2)``."""
        runs, (n, _) = self.E.shape[0], tokens.shape
        x = self.E[:, tokens] + self.pos[:, None]  # (runs, n, 2, d)
        flat = x.reshape(runs, 2 * n, -1)

        def split(weights, normalised):
            y = (flat @ weights).reshape(runs, n, 2, self.heads, -1).transpose(2, 3)  # (runs, n, heads, 2, d/h)
            return y / y.square().mean(-1, keepdim=True).sqrt() if normalised else y

        q, k, v = split(self.W_Q, self.normalised), split(self.W_K, self.normalised), split(self.W_V, False)
        attention = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), dim=-1)
        z = (attention @ v).transpose(2, 3).reshape(runs, 2 * n, -1)
        z = flat + z @ self.W_O
        y = z + torch.relu(z @ self.W_1 + self.b_1) @ self.W_2
        return y.reshape(runs, n, 2, -1).mean(2) @ self.W_U


def _of_norm(W, norm):
    return W * (norm / torch.linalg.norm(W))


def _orthogonal(W):
    return torch.linalg.qr(W)[0]


def _checked(p, seeds, width, heads, hidden):
    for name, value, least in (("p", p, 2), ("width", width, 1), ("heads", heads, 1), ("hidden", hidden, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidInputError(f"{name} must be a whole number >= {least}, not {value!r}")
    if width % heads or width == heads:
        raise InvalidInputError(
            f"{heads} heads do not divide a width of {width} into parts of 2 or more entries (of one entry the "
            "normalisation leaves only the sign); take a divisor"
        )
    if not len(seeds):
        raise InvalidInputError("no seeds, hence no runs; give one for each run")
