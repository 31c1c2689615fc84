"""What the statement on a network's directions and gains is built of, on cases that are right and wrong."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install '.[networks]'")

from torch import nn  # noqa: E402

from bn_theory import decoupling  # noqa: E402
from bn_theory.networks import batched_mlp as mlp  # noqa: E402
from bn_theory.networks.decoupled import Decoupled  # noqa: E402
from bn_theory.networks.threads import one_thread  # noqa: E402
from bn_theory.theorems.evidence import CONTRADICTED, SUPPORTED  # noqa: E402
from bn_theory.theorems.md_decoupling2026 import network_runs, networks  # noqa: E402
from bn_theory.theorems.md_decoupling2026.run import (  # noqa: E402
    ADAM,
    DECAY,
    DECAYED,
    GAIN_RATE,
    METHODS,
    SGD,
    SPHERE,
)
from bn_theory.theorems.statement import Settings  # noqa: E402

SETTINGS = Settings()
WIDTH = 8


@pytest.fixture(autouse=True)
def single_thread():
    with one_thread():
        yield


@pytest.fixture(scope="module")
def turned():
    with one_thread():
        return network_runs.followed(
            SETTINGS, WIDTH, 10, networks.WITH_LAST, lr=0.1, gain_lr=0.1, base=torch.optim.Adam, relative=True, eps=0.0
        )


def test_a_norm_off_by_1e_13_is_seen(turned):
    assert networks.norm_claim("", turned).verdict == SUPPORTED
    off = replace(turned, v=turned.v | {"first": turned.v["first"] * (1 + 1e-13)})
    assert networks.norm_claim("", off).verdict == CONTRADICTED


@pytest.mark.parametrize(("told", "verdict"), [(0.1, SUPPORTED), (0.1 + 1e-9, CONTRADICTED)])
def test_an_angle_off_in_the_tenth_digit_is_seen(turned, told, verdict):
    assert networks.turn_claim("", turned, 0.1, told).verdict == verdict


def test_gains_that_move_are_seen_where_rounding_is_not(turned):
    blur = network_runs.gradient_rounding(SETTINGS, WIDTH)
    assert networks.gain_claim("", turned, networks.HIDDEN, blur, 0.1).verdict == SUPPORTED
    assert networks.gain_claim("", turned, ("last",), blur, 0.1).verdict == CONTRADICTED
    off = replace(turned, gains=turned.gains | {"second": turned.gains["second"] + 1e-10 * np.arange(11)})
    assert networks.gain_claim("", off, networks.HIDDEN, blur, 0.1).verdict == CONTRADICTED


def test_the_blur_is_a_count_and_knows_nothing_of_what_is_added_to_variances(monkeypatch):
    blur = network_runs.gradient_rounding(SETTINGS, WIDTH)
    # (64 + 64 + 16) u of numbers of size 1, amplified by no more than 100
    assert 144 * network_runs.UNIT < blur < 14400 * network_runs.UNIT
    monkeypatch.setattr(mlp, "EPS", 1e-3)
    assert network_runs.gradient_rounding(SETTINGS, WIDTH) == blur
    monkeypatch.setattr(network_runs, "JITTER", network_runs.JITTER / 16)
    assert network_runs.gradient_rounding(SETTINGS, WIDTH) == pytest.approx(blur, rel=1e-3)  # linear in the errors


@pytest.mark.parametrize("width", [8, 32])
@pytest.mark.parametrize(("added", "verdict"), [(0.0, SUPPORTED), (1e-10, CONTRADICTED), (1e-3, CONTRADICTED)])
def test_what_is_added_to_variances_is_seen(width, added, verdict):
    blur = network_runs.gradient_rounding(SETTINGS, width)
    assert networks.homogeneous_claim("", SETTINGS, width, blur, added).verdict == verdict


@pytest.mark.parametrize(("added", "verdict"), [(0.0, SUPPORTED), (1e-6, CONTRADICTED), (1e-3, CONTRADICTED)])
def test_what_is_added_to_variances_is_seen_in_gains_and_directions(added, verdict):
    blur = network_runs.gradient_rounding(SETTINGS, WIDTH)
    run = network_runs.followed(SETTINGS, WIDTH, networks.CHECKED, networks.HIDDEN, lr=0.1, gain_lr=0.1, added=added)
    assert networks.gain_claim("", run, networks.HIDDEN, blur, 0.1).verdict == verdict
    assert networks.equivalence_claim("", SETTINGS, WIDTH, blur, added=added).verdict == verdict


@pytest.mark.parametrize(
    ("options", "verdict"),
    [({}, SUPPORTED), ({"power": 1 + 1e-7}, CONTRADICTED), ({"layers": networks.WITH_LAST}, CONTRADICTED)],
)
def test_rates_off_in_the_seventh_digit_are_seen(options, verdict):
    blur = network_runs.gradient_rounding(SETTINGS, WIDTH)
    found = networks.equivalence_claim("", SETTINGS, WIDTH, blur, **options)
    assert found.verdict == verdict
    assert found.details["bound_at_the_end"] < 1e-8


def test_the_plain_rows_have_the_norms_that_the_schedule_says():
    sphere = network_runs.followed(SETTINGS, WIDTH, 20, networks.HIDDEN, lr=0.1, gain_lr=0.5)
    found = {n: decoupling.equivalent_rates(np.full(s.shape, 0.1), s) for n, s in sphere.slopes.items()}
    rates = {n: one.rates for n, one in found.items()}
    plain = network_runs.followed(SETTINGS, WIDTH, 20, networks.HIDDEN, rates=rates)
    for name in networks.HIDDEN:
        # twenty steps' rounding; the losses, too, are the same
        np.testing.assert_allclose(plain.gains[name] ** 2, found[name].norm2, rtol=1e-12)
        # |grad L(w)| = |grad L(v)|/|w|
        np.testing.assert_allclose(plain.slopes[name] * found[name].norm2[:, :-1], sphere.slopes[name], rtol=1e-8)
    np.testing.assert_allclose(plain.losses, sphere.losses, rtol=1e-11)


@pytest.mark.parametrize("method", METHODS)
def test_a_sweep_is_of_its_seeds_and_repeats(method):
    grid = [0.01, 0.3]
    one, again = (network_runs.trained(SETTINGS, method, WIDTH, grid, 15, 3) for _ in range(2))
    assert one.losses.shape == one.test.shape == (3, 2)
    assert np.array_equal(one.losses, again.losses) and np.array_equal(one.test, again.test)
    # batches of another number of rates are the same for every model: rounding of float32, amplified in 15 steps
    alone = network_runs.trained(SETTINGS, method, WIDTH, grid[:1], 15, 3)
    np.testing.assert_allclose(alone.losses, one.losses[:, :1], rtol=1e-3)
    other = network_runs.trained(Settings(seed=1), method, WIDTH, grid, 15, 3)
    assert not np.array_equal(one.losses, other.losses)


def one_model(method, rate: float, seed: int, steps: int):
    """The final loss and test accuracy of one network of torch's own modules, trained by torch's own loop."""
    start = mlp.starts(WIDTH, [seed])
    net = nn.Sequential(
        nn.Linear(64, WIDTH, bias=False),
        nn.BatchNorm1d(WIDTH, eps=mlp.EPS, affine=False, momentum=None),
        nn.ReLU(),
        nn.Linear(WIDTH, WIDTH, bias=False),
        nn.BatchNorm1d(WIDTH, eps=mlp.EPS, affine=False, momentum=None),
        nn.ReLU(),
        nn.Linear(WIDTH, mlp.CLASSES),
    )
    weights, bias = [net[0].weight, net[3].weight, net[6].weight], net[6].bias
    with torch.no_grad():
        for p, name in zip([*weights, bias], ("first", "second", "last", "bias"), strict=True):
            p.copy_(start[name][0])
    if method in (SPHERE, ADAM):
        options = {"base": torch.optim.Adam, "relative": True, "eps": 1e-6} if method == ADAM else {}
        groups = [{"params": weights}, {"params": [bias], "decoupled": False, "lr": GAIN_RATE}]
        optimizer = Decoupled(groups, lr=rate, gain_lr=GAIN_RATE, **options)
    else:
        optimizer = torch.optim.SGD(net.parameters(), lr=rate, weight_decay=DECAY if method == DECAYED else 0.0)
    fall = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 - t / steps)
    images, classes, test_images, test_classes = network_runs.data(SETTINGS, torch.float32)
    order = network_runs.rows(len(images), [seed], steps)[:, 0]
    for t in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images[order[t]]), classes[order[t]]).backward()
        optimizer.step()
        fall.step()
    for module in (net[1], net[4]):
        module.reset_running_stats()
    with torch.no_grad():
        loss = nn.functional.cross_entropy(net(images), classes).item()
        right = (net.eval()(test_images).argmax(dim=1) == test_classes).double().mean().item()
    return loss, right


@pytest.mark.parametrize("method", METHODS)
def test_a_model_of_the_stack_is_one_that_torch_trains(method):
    # decoupled Adam amplifies rounding most
    grid, steps = ([0.02, 0.1], 15) if method == ADAM else ([0.02, 0.3], 25)
    found = network_runs.trained(SETTINGS, method, WIDTH, grid, steps, 2)
    for i, rate in enumerate(grid):
        loss, right = one_model(method, rate, 1, steps)
        # float32, amplified in those steps; a decay left out moves the loss by some 1e-3 at the larger rate
        assert found.losses[1, i] == pytest.approx(loss, rel=1e-4)
        assert found.test[1, i] == pytest.approx(right, abs=2.1 / network_runs.TEST)


def test_training_helps_and_what_diverges_counts_as_guessing():
    # at the last two rates the loss becomes huge, and not a number
    found = network_runs.trained(SETTINGS, SGD, WIDTH, [1e-6, 1.0, 1e30, 1e38], 100, 3)
    still, trained, *_ = found.losses.mean(axis=0)
    assert trained < 1.0 < 2.0 < still <= network_runs.GUESS
    assert np.all(found.losses[:, 2:] == network_runs.GUESS)
    assert np.all(found.test[:, 1] > 0.6)


@pytest.mark.parametrize("method", [SPHERE, ADAM])
def test_decoupled_training_helps(method):
    found = network_runs.trained(SETTINGS, method, WIDTH, [1e-6, 0.1], 60, 3)
    assert np.all(found.losses[:, 1] < found.losses[:, 0] - 0.3)


def test_accuracies_are_those_at_the_least_training_loss():
    losses = np.full((3, 2, 4), 1.0)
    losses[:, 0, 1] = losses[:, 1, 2] = 0.5
    test = np.zeros((3, 2, 4))
    test[:, 0, 1], test[:, 1, 2] = 0.8, [0.5, 0.6, 0.7]
    sweep = networks.Sweep("x", np.array([0.1, 1.0, 10.0, 100.0]), np.array([8, 16]), losses)
    found = networks.accuracy(sweep, test)
    assert found.measured == pytest.approx(0.7) and found.details["by_width"] == pytest.approx([0.8, 0.6])
