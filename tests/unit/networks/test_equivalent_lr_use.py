"""EquivalentLR in use: the README's own lines on an ordinary net, other schedulers, clipping, states that are none."""

import copy
import re
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


def test_kernels_scheduled_and_the_rest_with_its_decay():
    """On a net of which only the kernels are scale-invariant.

    One step rounds by some 400 u (sums of 384 numbers and the like); 40 steps, amplified by 1e4 at most in so few.
    """
    error = np.max(np.abs(without_decay() - with_decay()))
    assert error <= 40 * 400 * 1e4 * 2.0**-53  # 2e-8
    # everything in one scheduled group, as it must not be used
    model = ordinary_net(TINY)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    scheduler = EquivalentLR(optimizer, bn.equivalent_schedule(LR, DECAY, MOMENTUM, steps=STEPS))
    assert np.max(np.abs(losses(model, optimizer, scheduler.step) - with_decay())) > 0.01


def test_clipping_gradients_is_another_method():
    assert np.max(np.abs(without_decay(clip=0.1) - with_decay(clip=0.1))) > 1e-3


def readme_block():
    text = README.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return next(block for block in blocks if "EquivalentLR" in block)


def test_the_lines_of_the_readme_run_as_they_stand(capsys):
    model = ordinary_net(1e-5, torch.float32)
    before = copy.deepcopy(model.state_dict())
    images, classes = BATCHES[0]
    names = {"model": model, "x": images.float(), "y": classes, "loss": cross_entropy, "steps": STEPS}
    exec(compile(readme_block(), "README.md", "exec"), names)
    assert "0.weight" in capsys.readouterr().out
    assert {name for name, p in model.named_parameters() if any(p is q for q in names["invariant"])} == set(KERNELS)
    for name, value in model.state_dict().items():
        assert value.dtype == before[name].dtype and torch.equal(value, before[name])
    batches = [(x.float(), y) for x, y in BATCHES]
    found = losses(model, names["optimizer"], names["scheduler"].step, batches=batches)
    assert np.all(np.isfinite(found)) and found[-1] < found[0]


def test_another_scheduler_for_the_other_group():
    """Made and stepped before this one it is at home in its own group; in the other order the next step is refused."""
    for last in ("equivalent", "cosine"):
        model = ordinary_net(TINY)
        optimizer = torch.optim.SGD(two_groups(model, 0.0), lr=LR, momentum=MOMENTUM)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        schedule = bn.equivalent_schedule(LR, DECAY, MOMENTUM, steps=STEPS)
        equivalent = EquivalentLR(optimizer, [schedule, None])
        order = [cosine, equivalent] if last == "equivalent" else [equivalent, cosine]

        def step(order=order):
            for scheduler in order:
                scheduler.step()

        if last == "equivalent":
            losses(model, optimizer, step)
            assert optimizer.param_groups[1]["lr"] < 1e-9
        else:
            with pytest.raises(InvalidInputError, match=r"group 0 would step with lr=.* at step 1: something else"):
                losses(model, optimizer, step)


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


@pytest.mark.parametrize("joint", [["0.weight"], [()]])
def test_joint_groups_are_tuples(joint):
    with pytest.raises(InvalidInputError, match="joint must hold tuples"):
        scale_invariant_groups(ordinary_net(1e-5), lambda: None, joint=joint)


@pytest.mark.parametrize("delta", [0.0, -1.0, float("nan")])
def test_a_perturbation_that_cannot_be_used(delta):
    with pytest.raises(InvalidInputError, match="delta must be finite and > 0"):
        train_pair(lambda: ordinary_net(TINY), BATCHES, LR, DECAY, delta=delta)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (None, "not a state of EquivalentLR: None"),
        ({"last_epoch": "3"}, "last_epoch is '3'"),
        ({"true_scale": None}, "true_scale of the state is None"),
        ({"log_p": [0.0, 0.0]}, "log_p of the state .* 1 parameter groups"),
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
        (w[0] / w.norm()).backward()
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == optimizer.param_groups[0]["weight_decay"] == 0.0


def test_the_count_of_roundings_of_two_steps_by_hand():
    """``K = 2 + (n + 6 max|log p|) max eta |b|/|w|`` with the buffers and weights of plain SGD."""
    from bn_theory.networks.rounding import longest_chain

    def make():
        return ordinary_net(TINY)

    batches = BATCHES[:2]
    others = [name for name, _ in make().named_parameters() if name not in KERNELS]
    found = train_pair(make, batches, LR, DECAY, MOMENTUM, variant=others)
    model = make()
    kernels = [p for name, p in model.named_parameters() if name in KERNELS]
    rest = [p for name, p in model.named_parameters() if name not in KERNELS]
    groups = [{"params": kernels, "weight_decay": DECAY}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=LR, momentum=MOMENTUM)
    largest = []

    def measure():
        for p in model.parameters():
            step, size = optimizer.state[p]["momentum_buffer"].norm().item(), p.detach().norm().item()
            largest.append(LR * step / size)

    losses(model, optimizer, measure, batches=batches)
    log_p = bn.equivalent_schedule(LR, DECAY, MOMENTUM, steps=2).log_p
    n = longest_chain(model, lambda: model(batches[0][0]))
    assert found.roundings == pytest.approx(2 + (n + 6 * np.max(np.abs(log_p))) * max(largest), rel=1e-12)
