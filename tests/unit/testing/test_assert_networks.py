"""The assertions on torch: tensors, modules and the log of a training run."""

import pytest

from bn_theory.errors import InvalidInputError
from bn_theory.testing import ClaimFailedError, assert_norm_growth, assert_scale_invariant

torch = pytest.importorskip("torch", reason="needs the extra networks: pip install '.[networks]'")

from bn_theory.networks import LoggedTrainer, digits, expected_groups, sgd, small_net, vgg  # noqa: E402
from bn_theory.networks.threads import one_thread  # noqa: E402


@pytest.fixture(autouse=True)
def single_thread():
    with one_thread():
        yield


def problem(dtype=torch.float64, **options):
    net = small_net("batch", dtype=dtype, **options)
    x = torch.randn(24, 1, 8, 8, dtype=dtype, generator=torch.Generator().manual_seed(0))
    return net, x, lambda: torch.nn.functional.cross_entropy(net(x), torch.arange(24) % 10)


def failed(check, *arguments, **options):
    with pytest.raises(ClaimFailedError) as caught:
        check(*arguments, **options)
    return caught.value


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_kernels_alone_and_together(dtype):
    net, x, loss = problem(dtype)
    before = [p.detach().clone() for p in net.parameters()]
    for w in (net.conv1.weight, [net.conv1.weight, net.conv2.weight]):
        found = assert_scale_invariant(loss, w)
        assert (found.kind, found.verdict) == ("identity", "supported")
        assert found.tolerance < 1e-4 * (1 if dtype == torch.float32 else 1e-8)
    # not the loss alone, every output
    assert_scale_invariant(lambda: net(x), net.conv3.weight)
    assert all(torch.equal(p, q) for p, q in zip(before, net.parameters(), strict=True))
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize("size", [1e-5, 1e-12])
def test_eps_is_seen_and_named(size):
    net, _, loss = problem(eps=size)
    error = failed(assert_scale_invariant, loss, net.conv1.weight)
    assert error.evidence.verdict == "contradicted"
    assert "such as the eps of a normalisation, if it fails at small scales" in str(error)


def test_what_no_normalisation_follows():
    net, _, loss = problem(trained_last=True)
    before = net.last.weight.detach().clone()
    error = failed(assert_scale_invariant, loss, net.last.weight)
    assert error.evidence.measured > 1 and torch.equal(before, net.last.weight)
    decayed = failed(assert_scale_invariant, lambda: loss() + 1e-6 * net.conv1.weight.square().sum(), net.conv1.weight)
    assert "weight decay in the loss" in str(decayed)


@pytest.mark.parametrize("lean", [1e-3, 1e-10])
def test_a_gradient_that_leans(lean):
    """A term without value whose gradient is lean times w/|w|^2."""
    net, _, loss = problem()
    w = net.conv1.weight

    def leaning():
        along = (w * w.detach()).sum() / w.detach().square().sum()
        return loss() + lean * (along - along.detach())

    error = failed(assert_scale_invariant, leaning, w)
    assert error.evidence.measured == pytest.approx(lean, rel=1e-3) and "the values agree" in str(error)


def test_weights_are_as_before_after_an_error():
    net, _, _ = problem()
    before = net.conv1.weight.detach().clone()
    calls = []

    def breaks():
        calls.append(1)
        if len(calls) > 2:
            raise RuntimeError("mine")
        return net.conv1.weight.sum() * 0

    with pytest.raises(RuntimeError, match="mine"):
        assert_scale_invariant(breaks, net.conv1.weight)
    assert torch.equal(before, net.conv1.weight)


def test_a_closure_without_a_gradient_is_judged_by_its_values():
    net, _, loss = problem()
    net.requires_grad_(False)
    assert assert_scale_invariant(loss, net.conv1.weight).details["worst"].startswith("|f(")
    net.requires_grad_(True)
    assert_scale_invariant(lambda: loss().item(), net.conv1.weight)


def test_a_module():
    net, _, loss = problem(affine="trained", trained_last=True)
    found = assert_scale_invariant(loss, net)
    assert "conv1.weight" in found.details["groups"] and "(norm1.weight, norm1.bias)" in found.details["groups"]
    assert "last.weight" not in found.details["groups"]


def test_a_module_with_a_usual_eps():
    net, _, loss = problem(eps=1e-5)
    error = failed(assert_scale_invariant, loss, net)
    assert "conv1.weight: " in str(error) and "eps=1e-300 asks without" in str(error)
    assert assert_scale_invariant(loss, net, eps=1e-300).verdict == "supported"
    assert net.norm1.eps == 1e-5


@pytest.mark.parametrize(
    ("w", "options", "message"),
    [
        ("zeros", {}, "not all zero"),
        ("integers", {}, "floating-point tensors"),
        ("net", {"scales": [2.0]}, "leave scales and rounding out"),
        ("weight", {"gradient": lambda w: w}, "belongs to a function of an array"),
        ("weight", {"eps": 1e-300}, "give the module as w"),
        ("plain", {}, "nothing in the module is scale-invariant"),
    ],
)
def test_what_cannot_be_used(w, options, message):
    net, _, loss = problem()
    given = {
        "zeros": torch.zeros(3, dtype=torch.float64),
        "integers": torch.ones(3, dtype=torch.int64),
        "net": net,
        "weight": net.conv1.weight,
        "plain": torch.nn.Sequential(torch.nn.Linear(2, 2)).double(),
    }[w]
    with pytest.raises(InvalidInputError, match=message):
        assert_scale_invariant(loss, given, **options)


# --- logs ---


def trained(momentum=0.0, groups=None, **options):
    net = vgg("batch", channels=(2, "pool", 4), hidden=(), eps=0.0)
    names = expected_groups(net).invariant if groups is None else groups
    run = LoggedTrainer(net, sgd(net, lr=1.0, momentum=momentum), *digits(), batch=32, groups=names, **options)
    run.steps(8)
    return run.log


def test_a_log():
    log = trained()
    found = assert_norm_growth(log)
    assert found.measured == (log.growth_error / log.growth_bound).max() < 1
    assert found.details["notices"] < 1e-6 and "step" in found.details["worst"]


@pytest.mark.parametrize("momentum", [0.9, 1e-6])
def test_a_log_with_momentum(momentum):
    error = failed(assert_norm_growth, trained(momentum))
    assert error.evidence.measured > 100
    assert "the gradient is orthogonal to the weights: momentum" in str(error)


def test_a_log_of_what_is_not_invariant():
    error = failed(assert_norm_growth, trained(groups=["last_norm.weight"]))
    assert "last_norm.weight is not scale-invariant" in str(error)
    assert error.evidence.details["worst"].endswith("of last_norm.weight")


def test_a_log_without_bounds():
    with pytest.raises(InvalidInputError, match="sampled=True"):
        assert_norm_growth(trained(sampled=False))
    with pytest.raises(InvalidInputError, match="knows the rounding"):
        assert_norm_growth(trained(), gradient_rounding=1e-9)
