"""Batch renormalisation against its formula, batch normalisation and finite differences."""

import pytest
import torch
from torch import nn

from bn_theory.networks.batch_renorm import BatchRenorm


def batch(seed=0, shape=(6, 3, 2, 2)):
    return 2 + 3 * torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_with_closed_limits_it_is_batch_normalisation():
    ours = BatchRenorm(3, r_max=1.0, d_max=0.0, dtype=torch.float64)
    torchs = nn.BatchNorm2d(3, dtype=torch.float64)
    for seed in range(4):
        x = batch(seed)
        assert torch.allclose(ours(x), torchs(x), rtol=1e-13, atol=1e-13)
    assert torch.allclose(ours.running_mean, torchs.running_mean, rtol=1e-14)
    assert torch.allclose(ours.running_var, torchs.running_var, rtol=1e-14)
    ours.eval(), torchs.eval()
    assert torch.allclose(ours(batch(9)), torchs(batch(9)), rtol=1e-13, atol=1e-13)


def test_with_open_limits_training_is_by_the_running_averages():
    layer = BatchRenorm(3, r_max=1e6, d_max=1e6, affine=False, dtype=torch.float64)
    mean = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    layer.running_mean.copy_(mean), layer.running_var.fill_(4.0)
    expected = (batch() - mean.view(1, 3, 1, 1)) / (4.0 + layer.eps) ** 0.5
    assert torch.allclose(layer(batch()), expected, rtol=1e-13, atol=1e-13)


def test_limits_are_applied():
    layer = BatchRenorm(1, r_max=2.0, d_max=0.5, affine=False, eps=0.0, dtype=torch.float64)
    x = torch.tensor([[0.0], [20.0]], dtype=torch.float64)  # mean 10, deviation 10; running 0 and 1
    assert torch.allclose(layer(x), torch.tensor([[-2.0 + 0.5], [2.0 + 0.5]], dtype=torch.float64))


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 2, 2)])
def test_no_gradient_goes_through_the_corrections(shape):
    """With r and d held, the output is r times the batch-normalised one plus d: so is its gradient, times r."""
    layer = BatchRenorm(3, affine=False, dtype=torch.float64)
    x = batch(1, shape).requires_grad_()
    u = batch(2, shape)
    (layer(x) * u).sum().backward()
    again = x.detach().clone().requires_grad_()
    plain = nn.functional.batch_norm(again, None, None, training=True)
    (plain * u).sum().backward()
    axes = tuple(i for i in range(x.ndim) if i != 1)
    r = torch.sqrt(x.detach().var(axes, correction=0) + layer.eps) / (1 + layer.eps) ** 0.5
    r = r.clamp(1 / 3, 3).view(1, 3, *[1] * (x.ndim - 2))
    assert torch.allclose(x.grad, again.grad * r, rtol=1e-12, atol=1e-12)
