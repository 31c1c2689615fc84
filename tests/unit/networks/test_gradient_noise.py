"""The noise of mini-batch gradients, against all batches there are."""

from itertools import combinations

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from bn_theory.errors import InvalidInputError
from bn_theory.networks import digits, vgg
from bn_theory.networks.gradient_noise import GradientNoise, gradient_noise

FEW = 8
BATCH = 4
IMAGES, CLASSES = (tensor[:FEW] for tensor in digits())
DRAWN = 400


def net(norm):
    return vgg(
        norm, channels=(2,), hidden=(), eps=0.1
    )  # a batch of four may have next to no variance, which makes long tails


def exact(model):
    """Mean and trace of the covariance over all batches of four."""
    grads = []
    for rows in combinations(range(FEW), BATCH):
        loss = cross_entropy(model(IMAGES[list(rows)]), CLASSES[list(rows)])
        grads.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))]))
    grads = torch.stack(grads)
    spread = (grads - grads.mean(0)).square().sum(1)
    return float(spread.mean()), float(grads.square().sum(1).mean()), float(spread.std())


@pytest.mark.parametrize("norm", [None, "batch"])
def test_estimates_are_those_of_all_batches(norm):
    model = net(norm)
    covariance, mean_square, scatter = exact(model)
    found = gradient_noise(model, IMAGES, CLASSES, batch=BATCH, batches=DRAWN, seed=1)
    # five standard errors; the squared distances' scatter is that of the mean square to within the mean's share
    error = 5 * scatter / DRAWN**0.5
    assert found.covariance == pytest.approx(covariance, abs=error)
    assert found.mean_square == pytest.approx(mean_square, abs=2 * error)
    assert error < covariance / 5
    assert found.signal == found.mean_square - found.covariance
    assert found.share == found.covariance / found.mean_square
    assert found.per_time(0.5) == found.covariance / 2


def test_without_normalisation_a_larger_batch_has_less_noise_as_the_formula_says():
    """``tr Cov(g_B) = (S/|B|)(n - |B|)/(n - 1)``, S over the images: |B| = n has none at all."""
    model = net(None)
    covariance, *_ = exact(model)
    singles = gradient_noise(model, IMAGES, CLASSES, batch=1, batches=DRAWN)
    # S of single draws, to some per cent at 400 draws
    assert covariance == pytest.approx(singles.covariance / BATCH * (FEW - BATCH) / (FEW - 1), rel=0.15)
    whole = gradient_noise(model, IMAGES, CLASSES, batch=FEW, batches=3)
    assert whole.covariance < 1e-25 * whole.mean_square


def test_it_is_a_function_of_the_seed_and_leaves_the_model_alone():
    model = net("batch")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first, again, other = (gradient_noise(model, IMAGES, CLASSES, batch=4, batches=4, seed=s) for s in (0, 0, 1))
    assert first == again != other
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_frozen_parameters_do_not_count():
    model = net(None)
    everything = gradient_noise(model, IMAGES, CLASSES, batch=4, batches=4)
    model.conv1.requires_grad_(False)
    assert gradient_noise(model, IMAGES, CLASSES, batch=4, batches=4).mean_square < everything.mean_square


def test_shares():
    noise = GradientNoise(covariance=3.0, mean_square=4.0, batch=2, batches=4)
    assert (noise.share, noise.signal, noise.per_time(0.1)) == (0.75, 1.0, pytest.approx(0.3))


@pytest.mark.parametrize(("batch", "batches"), [(0, 4), (FEW + 1, 4), (4, 1)])
def test_bad_sizes(batch, batches):
    with pytest.raises(InvalidInputError, match="must be"):
        gradient_noise(net(None), IMAGES, CLASSES, batch=batch, batches=batches)


def test_one_image_under_batch_normalisation_and_eval_mode():
    with pytest.raises(InvalidInputError, match="batch 1 under"):
        gradient_noise(net("batch"), IMAGES, CLASSES, batch=1)
    with pytest.raises(InvalidInputError, match="eval mode"):
        gradient_noise(net("batch").eval(), IMAGES, CLASSES, batch=4)
    bad = IMAGES.clone()
    bad[3, 0, 0, 0] = float("nan")
    with pytest.raises(InvalidInputError, match="image 3"):
        gradient_noise(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).double(), bad, CLASSES, batch=4)


def test_the_estimate_is_unbiased_for_two_batches():
    """Of two independent draws ``|g_1 - g_2|^2/2`` has the mean ``tr Cov``; one over K, not K - 1, would halve it."""
    model = net(None)
    covariance, *_ = exact(model)
    found = [gradient_noise(model, IMAGES, CLASSES, batch=BATCH, batches=2, seed=s).covariance for s in range(200)]
    mean, spread = torch.tensor(found).mean().item(), torch.tensor(found).std().item()
    # five standard errors of the mean, which are far less than the factor of two
    assert mean == pytest.approx(covariance, abs=5 * spread / 200**0.5)
    assert 5 * spread / 200**0.5 < covariance / 2
