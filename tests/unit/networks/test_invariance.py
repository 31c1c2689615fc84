"""Scale-invariant groups: what is expected under each normalisation, the size of violations, and restoring."""

import pytest

torch = pytest.importorskip("torch", reason="bn_theory.networks needs torch: pip install '.[networks]'")

from torch import nn  # noqa: E402

from bn_theory.errors import InvalidInputError  # noqa: E402
from bn_theory.networks import NORMS, scale_invariant_groups, small_net  # noqa: E402
from bn_theory.networks.digits import digits, mini_batches  # noqa: E402
from bn_theory.networks.threads import one_thread  # noqa: E402

KERNELS = ("conv1.weight", "conv2.weight", "conv3.weight")


@pytest.fixture(autouse=True)
def single_thread():
    with one_thread():
        yield


@pytest.fixture(scope="module")
def batch():
    return mini_batches(*digits(), 16, 1)[0]


def closure(net, batch):
    return lambda: nn.functional.cross_entropy(net(batch[0]), batch[1])


def find(net, batch, **options):
    return scale_invariant_groups(net, closure(net, batch), **options)


@pytest.mark.parametrize("affine", ["fixed", "trained"])
@pytest.mark.parametrize(("norm", "size"), [("batch", 1), ("instance", 1), ("group", 4), ("layer", 8)])
def test_expected_groups(norm, size, affine, batch):
    found = find(small_net(norm, affine=affine), batch)
    joint = (("norm1.weight", "norm1.bias"), ("norm2.weight", "norm2.bias")) if affine == "trained" else ()
    assert found.invariant == KERNELS + joint
    assert found.variant == ()
    assert found.frozen == ("last.weight", "last.bias")
    for name in KERNELS:
        assert found.blocks[name].size == size and found.blocks[name].rows == 8
        # finer than that no filter is invariant, and by far
        assert len(found.blocks[name].variant) == (0 if size == 1 else 8)
        assert all(f.violation > 1e-6 for f in found.blocks[name].variant)
    for one in joint:
        # each alone is not, although beta starts at 0
        assert not any(found.findings[name].invariant and found.findings[name].violation < 1e-3 for name in one)
    # the tolerance is of use: far below what an eps of 1e-5 does
    assert all(found.findings[name].tolerance < 1e-9 for name in found.invariant)


@pytest.mark.parametrize("norm", NORMS)
def test_eps_is_seen_at_its_size(norm, batch):
    """Variances are of size 0.1 to 10 here: eps shifts their logarithm by that much of eps, up to a few factors."""

    def violation(eps, kernel):
        found = find(small_net(norm, eps=eps), batch)
        assert kernel in found.variant and found.blocks[kernel].size is None
        return found.findings[kernel].violation

    sizes = [violation(eps, "conv3.weight") for eps in (1e-6, 1e-5)]
    assert 1e-7 < sizes[0] < 1e-5
    # linear in eps, to the order of eps, where no ReLU flips between the two
    assert sizes[1] / sizes[0] == pytest.approx(10, rel=1e-3)
    # under layer normalisation alone a factor passes whole to the next normalisation, which takes all but eps of it out
    # again: the effect of an earlier kernel is of second order, and of third two layers before
    for kernel, power in {"conv1.weight": 3, "conv2.weight": 2}.items() if norm == "layer" else ():
        assert violation(1e-3, kernel) / violation(1e-4, kernel) == pytest.approx(10**power, rel=0.1)


@pytest.mark.parametrize("norm", NORMS)
def test_the_usual_eps_says_no_to_all_but_what_is_of_third_order(norm, batch):
    net = small_net(norm, eps=1e-5)
    assert find(net, batch).invariant == (("conv1.weight",) if norm == "layer" else ())
    assert find(net, batch, eps=1e-300).invariant == KERNELS


def test_what_breaks_invariance_is_named(batch):
    found = find(small_net("batch", trained_last=True), batch)
    assert found.invariant == KERNELS
    assert found.variant == ("last.weight", "last.bias", ("last.weight", "last.bias"))
    text = str(found)
    assert "every one of 8 filters" in text and "(last.weight, last.bias)" in text
    plain = find(small_net(None), batch)
    assert plain.variant == KERNELS and min(plain.findings[name].violation for name in KERNELS) > 0.1
    assert "not trained: last.weight, last.bias" in str(plain)


def test_last_normalisation_is_variant(batch):
    net = small_net("batch")
    net.norm3 = nn.BatchNorm2d(8, eps=1e-300, dtype=torch.float64)
    found = find(net, batch)
    assert found.variant == ("norm3.weight", "norm3.bias", ("norm3.weight", "norm3.bias"))


def with_bias(norm, eps=1e-300):
    torch_norm = {"batch": nn.BatchNorm2d(4, eps=eps, affine=False), "layer": nn.GroupNorm(1, 4, eps=0, affine=False)}
    net = nn.Sequential(nn.Conv2d(1, 4, 3), torch_norm[norm], nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)).double()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(0.3 * torch.randn(p.shape, generator=generator, dtype=torch.float64))
    net[4].requires_grad_(False)
    return net


def test_a_bias_before_batch_normalisation_has_no_gradient(batch):
    found = find(with_bias("batch"), batch)
    assert found.invariant == ("0.weight", "0.bias") and not found.variant
    assert found.findings["0.bias"].identity == "grad = 0"
    assert found.findings["0.bias"].violation <= found.findings["0.bias"].tolerance < 1e-9


def test_kernel_and_bias_before_layer_normalisation_are_invariant_jointly(batch):
    found = find(with_bias("layer"), batch)
    assert found.invariant == (("0.weight", "0.bias"),) and not found.variant
    assert not found.findings["0.weight"].invariant and not found.findings["0.bias"].invariant


def test_joint_groups_by_hand(batch):
    """Two branches whose outputs are added before the normalisation: invariant together, not one by one."""

    class Shortcut(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = (nn.Conv2d(1, 4, k, padding=k // 2, bias=False).double() for k in (1, 3))
            self.norm = nn.BatchNorm2d(4, eps=1e-300, affine=False).double()
            self.last = nn.Linear(256, 10).double().requires_grad_(False)
            with torch.no_grad():
                for i, p in enumerate(self.parameters()):
                    p.copy_(torch.arange(p.numel(), dtype=torch.float64).mul(i + 1).sin().reshape(p.shape))

        def forward(self, x):
            return self.last(self.norm(self.one(x) + self.two(x)).relu().flatten(1))

    pair = ("one.weight", "two.weight")
    net = Shortcut()
    assert find(net, batch).variant == pair
    found = find(net, batch, joint=[pair])
    assert found.invariant == (pair,) and found.variant == ()


def test_single_filters_may_differ(batch):
    """Batch normalisation on some channels only: the others' filters are named."""

    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = small_net("batch")
            self.norm = nn.BatchNorm2d(3, eps=1e-300, affine=False, dtype=torch.float64)
            self.net.norm3 = nn.Identity()

        def forward(self, x):
            for name, module in self.net.named_children():
                x = module(x)
                if name == "norm3":
                    x = torch.cat([self.norm(x[:, :3]), x[:, 3:]], 1)
            return x

    found = find(Half(), batch)
    blocks = found.blocks["net.conv3.weight"]
    assert blocks.size is None and [f.rows for f in blocks.variant] == [(i, i + 1) for i in range(3, 8)]
    assert "3 of 8 filters" in str(found)
    assert found.variant == ("net.conv3.weight",)


def test_gamma_is_tested_away_from_beta_zero(batch):
    """At beta = 0 scaling gamma is scaling both: there gamma alone would pass."""
    net = small_net("batch", affine="trained")
    assert "norm1.weight" in find(net, batch, perturbation=0.0).invariant
    assert "norm1.weight" not in find(net, batch).invariant


def test_unused_parameters_and_constant_losses(batch):
    net = small_net("batch")
    net.register_parameter("unused", nn.Parameter(torch.ones(3, dtype=torch.float64)))
    found = find(net, batch)
    assert "unused" in found.invariant and found.findings["unused"].identity == "grad = 0"
    found = scale_invariant_groups(net, lambda: 0 * net(batch[0]).sum())
    assert set(found.invariant) == {"unused", *KERNELS}


def test_everything_is_restored_bit_for_bit(batch):
    net = small_net("batch", affine="trained")
    closure(net, batch)().backward()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    grads = [p.grad.clone() for p in net.parameters() if p.requires_grad]
    addresses = [p.data_ptr() for p in net.parameters()]
    find(net, batch)

    def unchanged():
        now = net.state_dict()
        assert now.keys() == before.keys() and all(torch.equal(now[k], before[k]) for k in before)
        assert before["norm1.num_batches_tracked"] == 1
        trained = [p for p in net.parameters() if p.requires_grad]
        assert all(torch.equal(p.grad, g) for p, g in zip(trained, grads, strict=True))
        assert addresses == [p.data_ptr() for p in net.parameters()]
        assert not any(m._forward_hooks for m in net.modules())

    unchanged()
    calls = []

    def breaks():
        calls.append(1)
        if len(calls) == 9:
            raise RuntimeError("broken on the way")
        return closure(net, batch)()

    with pytest.raises(RuntimeError, match="broken on the way"):
        scale_invariant_groups(net, breaks)
    unchanged()


def test_refusals(batch):
    net = small_net("batch")
    net.norm2.eval()
    with pytest.raises(InvalidInputError, match=r"norm2 \(BatchNorm2d\) is in eval mode.*call model.train\(\)"):
        find(net, batch)
    net = small_net("instance").eval()  # without running averages eval mode changes nothing
    assert find(net, batch).invariant == KERNELS
    with pytest.raises(InvalidInputError, match=r"conv1.weight is torch.float32.*model.double\(\)"):
        find(small_net("batch", dtype=torch.float32), batch)
    net = nn.Sequential(small_net("batch"), nn.Dropout(0.5))
    with pytest.raises(InvalidInputError, match="not deterministic: two calls gave"):
        find(net, batch)
    with pytest.raises(InvalidInputError, match="no trained parameter"):
        find(small_net("batch").requires_grad_(False), batch)
    net = small_net("batch")
    with pytest.raises(InvalidInputError, match=r"joint names .*nothing"):
        find(net, batch, joint=[("conv1.weight", "nothing")])
    for perturbation in (-0.1, float("nan"), float("inf")):
        with pytest.raises(InvalidInputError, match="perturbation must be"):
            find(net, batch, perturbation=perturbation)
    for bad, message in (
        (lambda: 1.0, "not 1.0"),
        (lambda: net(batch[0]), r"of shape \(16, 10\)"),
        (lambda: net(batch[0]).sum().float(), "torch.float32"),
        (lambda: net(batch[0]).sum().detach(), "requires_grad=False"),
        (lambda: net(batch[0]).sum() * float("inf"), "not -?inf"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            scale_invariant_groups(net, bad)
