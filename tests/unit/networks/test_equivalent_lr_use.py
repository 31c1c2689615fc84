"""EquivalentLR in use: the README's own lines on an ordinary net, other schedulers, clipping, states that are none."""

import copy
import re
import textwrap
from functools import partial
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="bn_theory.networks needs torch: pip install '.[networks]'")

import bn_theory as bn  # noqa: E402
from bn_theory.errors import InvalidInputError  # noqa: E402
from bn_theory.networks import EquivalentLR, scale_invariant_groups, train_pair  # noqa: E402
from bn_theory.networks.digits import digits, mini_batches  # noqa: E402
from bn_theory.networks.threads import one_thread  # noqa: E402

README = Path(__file__).resolve().parents[3] / "README.md"
STEPS, LR, DECAY, MOMENTUM = 40, 0.1, 0.02, 0.9
TINY = 1e-300


@pytest.fixture(autouse=True)
def single_thread():
    with one_thread():
        yield


def ordinary_net(eps, dtype=torch.float64, seed=0):
    """Two convolutions with batch normalisation, affine, and a trained linear layer."""
    torch.manual_seed(seed)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 3, padding=1, bias=False),
        torch.nn.BatchNorm2d(6, eps=eps),
        torch.nn.ReLU(),
        torch.nn.Conv2d(6, 6, 3, padding=1, bias=False),
        torch.nn.BatchNorm2d(6, eps=eps),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(6 * 64, 10),
    )
    return net.to(dtype)


KERNELS = ("0.weight", "3.weight")
BATCHES = mini_batches(*digits(), 32, STEPS)
cross_entropy = torch.nn.functional.cross_entropy


def losses(model, optimizer, after=lambda: None, clip=None, batches=BATCHES):
    found = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        after()
        found.append(loss.item())
    return np.array(found)


def two_groups(model, decay):
    kernels = [p for name, p in model.named_parameters() if name in KERNELS]
    others = [p for name, p in model.named_parameters() if name not in KERNELS]
    return [{"params": kernels, "weight_decay": decay}, {"params": others, "weight_decay": DECAY}]


def with_decay(eps=TINY, **options):
    model = ordinary_net(eps)
    return losses(model, torch.optim.SGD(two_groups(model, DECAY), lr=LR, momentum=MOMENTUM), **options)


def without_decay(eps=TINY, **options):
    model = ordinary_net(eps)
    optimizer = torch.optim.SGD(two_groups(model, 0.0), lr=LR, momentum=MOMENTUM)
    schedule = bn.equivalent_schedule(LR, DECAY, MOMENTUM, steps=STEPS)
    return losses(model, optimizer, EquivalentLR(optimizer, [schedule, None]).step, **options)


def pair(decay=DECAY):
    """Both runs with a bound of what rounding may set them apart by; what is no kernel has its decay in both."""
    others = [name for name, _ in ordinary_net(TINY).named_parameters() if name not in KERNELS]
    make = partial(ordinary_net, TINY)
    return train_pair(make, BATCHES, LR, decay, MOMENTUM, variant=others, variant_decay=decay)


def test_kernels_scheduled_and_the_rest_with_its_decay():
    """On a net of which only the kernels are scale-invariant; the loops here are written apart from those bounded."""
    run, decayed = pair(), with_decay()
    assert float(run.bound.max()) < 1e-9
    assert np.all(np.abs(without_decay() - decayed) <= run.bound)
    # everything in one scheduled group, as it must not be used
    assert np.max(np.abs(one_group(ordinary_net(TINY), DECAY) - decayed)) > 1e4 * run.bound.max()


def one_group(model, decay, batches=BATCHES):
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    scheduler = EquivalentLR(optimizer, bn.equivalent_schedule(LR, decay, MOMENTUM, steps=STEPS))
    return losses(model, optimizer, scheduler.step, batches=batches)


def test_clipping_gradients_is_another_method():
    assert np.max(np.abs(without_decay(clip=0.1) - with_decay(clip=0.1))) > 1e-3
    # it is the clipping: with a limit that no gradient reaches the two agree
    assert np.all(np.abs(without_decay(clip=1e9) - with_decay(clip=1e9)) <= pair().bound)


def readme_block():
    text = README.read_text(encoding="utf-8")
    part = text.split("\nIn PyTorch (extra `networks`)")[1]
    block = re.search(r"```python\n(.*?)```", part, re.DOTALL).group(1)
    assert "EquivalentLR(optimizer" in block
    return block


def run_readme(model, x, y):
    names = {"model": model, "x": x, "y": y, "steps": STEPS}
    exec(compile(readme_block(), "README.md", "exec"), names)
    return names


README_DECAY = 5e-4


def decayed_as_in_readme(model, batches):
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=README_DECAY)
    return losses(model, optimizer, batches=batches)


def test_the_lines_of_the_readme_run_as_they_stand(capsys):
    """In float32 with the usual eps: they change nothing of the model, choose the kernels, and train."""
    model = ordinary_net(1e-5, torch.float32)
    before = copy.deepcopy(model.state_dict())
    batches = [(x.float(), y) for x, y in BATCHES]
    names = run_readme(model, *batches[0])
    assert "0.weight" in capsys.readouterr().out
    assert {name for name, p in model.named_parameters() if any(p is q for q in names["invariant"])} == set(KERNELS)
    for name, value in model.state_dict().items():
        assert value.dtype == before[name].dtype and torch.equal(value, before[name])
    assert [m.eps for m in model.modules() if hasattr(m, "eps")] == [1e-5, 1e-5]
    found = losses(model, names["optimizer"], names["scheduler"].step, batches=batches)
    assert found[-1] < found[0]
    # by eps and rounding the two part a little (measured: 7e-7); by what must not be scheduled, by far (0.15)
    decayed = decayed_as_in_readme(ordinary_net(1e-5, torch.float32), batches)
    apart = np.max(np.abs(one_group(ordinary_net(1e-5, torch.float32), README_DECAY, batches) - decayed))
    assert np.max(np.abs(found - decayed)) < 1e-3 * apart


def test_the_lines_of_the_readme_are_the_run_with_decay():
    """In float64 and as if without eps, to rounding."""
    model = ordinary_net(TINY)
    names = run_readme(model, *BATCHES[0])
    found = losses(model, names["optimizer"], names["scheduler"].step)
    decayed, run = decayed_as_in_readme(ordinary_net(TINY), BATCHES), pair(README_DECAY)
    assert float(run.bound.max()) < 1e-9
    assert np.all(np.abs(found - decayed) <= run.bound)
    assert np.max(np.abs(one_group(ordinary_net(TINY), README_DECAY) - decayed)) > 1e4 * run.bound.max()


def test_the_lines_of_the_docstring_are_the_run_with_decay():
    """Its loop as it stands, against the same run as the README's lines."""
    block = EquivalentLR.__doc__.split("::\n", 1)[1].split("Only parameters", 1)[0]
    model, seen = ordinary_net(TINY), []

    def loss(outputs, classes):
        seen.append(cross_entropy(outputs, classes))
        return seen[-1]

    kernels, others = (group["params"] for group in two_groups(model, 0.0))
    names = {"model": model, "invariant": kernels, "others": others, "loss": loss, "steps": STEPS, "batches": BATCHES}
    names |= {"bn": bn, "torch": torch, "EquivalentLR": EquivalentLR}
    exec(compile(textwrap.dedent(block), "EquivalentLR.__doc__", "exec"), names)
    found = np.array([value.item() for value in seen])
    assert len(found) == STEPS
    assert np.all(np.abs(found - decayed_as_in_readme(ordinary_net(TINY), BATCHES)) <= pair(README_DECAY).bound)


def made(other, last):
    """A model, its optimizer, and one step of both schedulers, this package's made and stepped last or not."""
    model = ordinary_net(TINY)
    optimizer = torch.optim.SGD(two_groups(model, 0.0), lr=LR, momentum=MOMENTUM)
    schedule = bn.equivalent_schedule(LR, DECAY, MOMENTUM, steps=STEPS)
    parts = [lambda: other(optimizer), lambda: EquivalentLR(optimizer, [schedule, None])]
    schedulers = [part() for part in (parts if last["made"] else parts[::-1])]
    if last["made"] != last["stepped"]:
        schedulers.reverse()

    def step():
        for scheduler in schedulers:
            scheduler.step()

    return model, optimizer, step


COSINE = partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=STEPS)
WARM_UP = partial(torch.optim.lr_scheduler.LinearLR, start_factor=0.1, total_iters=5)


@pytest.mark.parametrize("made_last", [True, False])
def test_another_scheduler_stepped_before_is_at_home_in_its_own_group(made_last):
    model, optimizer, step = made(COSINE, {"made": made_last, "stepped": True})
    found = losses(model, optimizer, step)
    model = ordinary_net(TINY)
    optimizer = torch.optim.SGD(two_groups(model, DECAY), lr=LR, momentum=MOMENTUM)
    cosine = COSINE(optimizer)

    def after():
        cosine.step()
        optimizer.param_groups[0]["lr"] = LR

    # the bound is that of constant rates for the others, where it is nearly all the rounding of two evaluations,
    # which does not depend on rates; the two differ by 1e-4 of it
    assert np.all(np.abs(found - losses(model, optimizer, after)) <= pair().bound)
    assert optimizer.param_groups[1]["lr"] < 1e-9


def test_another_scheduler_stepped_after_is_refused():
    model, optimizer, step = made(COSINE, {"made": True, "stepped": False})
    with pytest.raises(
        InvalidInputError, match=r"group 0 would step with lr=.*, but its schedule has .* at step 1: some"
    ):
        losses(model, optimizer, step)


def test_another_scheduler_made_after_is_refused_where_it_changes_the_rate():
    model, optimizer, step = made(WARM_UP, {"made": False, "stepped": True})
    start = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(InvalidInputError, match=r"lr=0.01.* at step 0: .*make and step other schedulers before"):
        losses(model, optimizer, step)
    assert all(torch.equal(p, w) for p, w in zip(model.parameters(), start, strict=True))
    losses(*made(WARM_UP, {"made": True, "stepped": True}))


@pytest.mark.parametrize(("name", "value"), [("lr", 0.05), ("momentum", 0.5), ("weight_decay", 1e-3)])
def test_a_scheduled_group_that_somebody_changed_takes_no_step(name, value):
    model = ordinary_net(TINY)
    optimizer = torch.optim.SGD(two_groups(model, 0.0), lr=LR, momentum=MOMENTUM)
    scheduler = EquivalentLR(optimizer, [bn.equivalent_schedule(LR, DECAY, MOMENTUM, steps=STEPS), None])
    losses(model, optimizer, scheduler.step, batches=BATCHES[:2])
    weights = [p.detach().clone() for p in model.parameters()]
    optimizer.param_groups[0][name] = value
    with pytest.raises(InvalidInputError, match=f"group 0 would step with {name}={value}"):
        losses(model, optimizer, scheduler.step, batches=BATCHES[2:3])
    assert all(torch.equal(p, w) for p, w in zip(model.parameters(), weights, strict=True))
    # a new scheduler takes the old one's place
    optimizer.param_groups[0].update(lr=LR, momentum=MOMENTUM, weight_decay=0.0)
    again = EquivalentLR(optimizer, [bn.equivalent_schedule(LR, DECAY, MOMENTUM, steps=STEPS), None])
    losses(model, optimizer, again.step, batches=BATCHES[2:3])


def test_the_usual_eps_hides_what_is_invariant_but_for_it():
    model = ordinary_net(1e-5)
    x, y = BATCHES[0]
    usual = scale_invariant_groups(model, lambda: cross_entropy(model(x), y))
    assert not set(KERNELS) & set(usual.invariant)
    # of the order of eps over the variances, which are of size 0.01 to 1 here
    assert all(1e-9 < usual.violations[name] < 1e-2 for name in KERNELS)
    asked = scale_invariant_groups(model, lambda: cross_entropy(model(x), y), eps=TINY)
    assert set(KERNELS) <= set(asked.invariant) and ("1.weight", "1.bias") in asked.invariant
    assert {"7.weight", "7.bias"} <= set(asked.variant)
    assert [m.eps for m in model.modules() if hasattr(m, "eps")] == [1e-5, 1e-5]
    with pytest.raises(InvalidInputError, match="not deterministic"):
        scale_invariant_groups(model, lambda: cross_entropy(model(x), y) * (1 + torch.rand(()).double()), eps=TINY)
    assert [m.eps for m in model.modules() if hasattr(m, "eps")] == [1e-5, 1e-5]


@pytest.mark.parametrize("eps", [0.0, -1.0, float("nan")])
def test_an_eps_that_cannot_be_used(eps):
    with pytest.raises(InvalidInputError, match="eps must be finite and > 0"):
        scale_invariant_groups(ordinary_net(1e-5), lambda: None, eps=eps)


def test_every_kind_of_eps_is_asked_away():
    """A whole number, and none at all, as in an RMSNorm by default; a module that has no ``eps`` gets none."""
    net = torch.nn.Sequential(torch.nn.Linear(4, 6, bias=False), torch.nn.GroupNorm(2, 6, eps=1, affine=False))
    after = torch.nn.Linear(6, 3).requires_grad_(False)
    if hasattr(torch.nn, "RMSNorm"):
        net.append(torch.nn.RMSNorm(6, elementwise_affine=False))
    net = net.append(after).double()
    before = [getattr(m, "eps", "none") for m in net.modules()]
    x, y = torch.randn(8, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64), torch.arange(8) % 3
    seen = []

    def loss():
        seen.append([getattr(m, "eps", "none") for m in net.modules()])
        return cross_entropy(net(x), y)

    assert scale_invariant_groups(net, loss).invariant == ()
    assert seen[-1] == before
    assert scale_invariant_groups(net, loss, eps=TINY).invariant == ("0.weight",)
    assert seen[-1] == ["none" if e == "none" else TINY for e in before]
    assert [getattr(m, "eps", "none") for m in net.modules()] == before


@pytest.mark.parametrize("joint", [["0.weight"], [()], "0.weight", ("0.weight", "3.weight"), None, [5]])
def test_joint_groups_are_tuples(joint):
    with pytest.raises(
        InvalidInputError, match=r"joint must (hold|be a list of) tuples of parameter names, not .*; write \[\("
    ):
        scale_invariant_groups(ordinary_net(1e-5), lambda: None, joint=joint)


@pytest.mark.parametrize("delta", [0, -1.0, float("nan"), float("inf")])
def test_a_perturbation_that_cannot_be_used(delta):
    with pytest.raises(InvalidInputError, match="delta must be finite and > 0"):
        train_pair(lambda: ordinary_net(TINY), BATCHES, LR, DECAY, delta=delta)


@pytest.mark.parametrize("decay", [-1e-4, float("nan"), float("inf")])
def test_a_decay_of_the_others_that_cannot_be_used(decay):
    with pytest.raises(InvalidInputError, match="variant_decay must be finite and >= 0"):
        train_pair(lambda: ordinary_net(TINY), BATCHES, LR, DECAY, variant_decay=decay)


def test_a_perturbation_that_the_weights_cannot_hold():
    """In float32 the usual one would be rounded away, and the bound with it."""
    make = partial(ordinary_net, 1e-5, torch.float32)
    batches = [(x.float(), y) for x, y in BATCHES[:2]]
    with pytest.raises(InvalidInputError, match=r"lost in weights whose roundoff is 6.0e-08.*or bounded=False"):
        train_pair(make, batches, LR, DECAY)
    assert train_pair(make, batches, LR, DECAY, bounded=False).bound is None
    run = train_pair(make, batches, LR, DECAY, delta=2.0**-14)
    assert np.max(np.abs(run.perturbed - run.decayed)) > 0


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (None, "not a state of EquivalentLR: None"),
        ({"last_epoch": "3"}, "last_epoch is '3'"),
        ({"true_scale": None}, "true_scale of the state is None"),
        ({"true_scale": [0, 0]}, "true_scale of the state .* 1 parameter groups"),
        ({"true_scale": []}, "true_scale of the state .* 1 parameter groups"),
        ({"log_p": [0.0, 0.0]}, "log_p of the state .* 1 parameter groups"),
        ({"log_p": 0.0}, "log_p of the state is 0.0, but there are 1 parameter groups"),
        ({"log_p": [None]}, r"log_p is \[None\], not a list of numbers"),
        ({"_step_count": None}, "_step_count is None"),
    ],
)
def test_states_that_are_none(change, match):
    w = torch.nn.Parameter(torch.ones(3))
    scheduler = EquivalentLR(torch.optim.SGD([w], lr=LR), bn.equivalent_schedule(LR, DECAY, steps=STEPS))
    state = None if change is None else scheduler.state_dict() | change
    with pytest.raises(InvalidInputError, match=match):
        scheduler.load_state_dict(state)


def test_resuming_needs_the_optimizer_s_state():
    w = torch.nn.Parameter(torch.ones(3))
    schedule = bn.equivalent_schedule(LR, DECAY, steps=STEPS)
    with pytest.raises(InvalidInputError, match="no 'initial_lr': load the optimizer's state first"):
        EquivalentLR(torch.optim.SGD([w], lr=LR), schedule, last_epoch=10)


def test_complex_weights_are_refused():
    w = torch.nn.Parameter(torch.ones(3, dtype=torch.complex64))
    with pytest.raises(InvalidInputError, match="complex64"):
        EquivalentLR(torch.optim.SGD([w], lr=LR), bn.equivalent_schedule(LR, DECAY, steps=STEPS))


def test_nothing_is_corrected_after_the_end():
    w = torch.nn.Parameter(torch.tensor([1.0, 2.0], dtype=torch.float64))
    optimizer = torch.optim.SGD([w], lr=LR, momentum=0.5)
    scheduler = EquivalentLR(optimizer, bn.texp_schedule([0.1, 0.01], [1], DECAY, 0.5, 2))
    for _ in range(2):
        assert optimizer.param_groups[0]["weight_decay"] != 0  # there is something to take away
        (w[0] / w.norm()).backward()
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == optimizer.param_groups[0]["weight_decay"] == 0.0
    # also where it is read from a state
    state = scheduler.state_dict()
    optimizer.param_groups[0].update(lr=LR, weight_decay=DECAY)
    scheduler.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == optimizer.param_groups[0]["weight_decay"] == 0.0
