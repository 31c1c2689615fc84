"""EquivalentLR: bit for bit a loop written by hand, the run with decay to rounding, and what it refuses."""

import io
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="bn_theory.networks needs torch: pip install '.[networks]'")

import bn_theory as bn  # noqa: E402
from bn_theory.dynamics import StepDecay, equivalent_schedule, texp_schedule  # noqa: E402
from bn_theory.errors import InvalidInputError, ScheduleEndedError  # noqa: E402
from bn_theory.networks import EquivalentLR  # noqa: E402
from bn_theory.networks.threads import one_thread  # noqa: E402

SPECTRUM = [0.0, 0.3, 1.0, 0.7, 0.2]
START = [0.3, -0.7, 0.2, 0.9, -0.4]
U = 2.0**-53


@pytest.fixture(autouse=True)
def single_thread():
    with one_thread():
        yield


def quotient(w, noise):
    """Rayleigh quotient with linear noise: scale-invariant in w for every noise."""
    a = torch.tensor(SPECTRUM, dtype=w.dtype)
    return ((a * w * w).sum() / 2 + (noise * w).sum() * w.norm()) / (w * w).sum()


def noises(steps, dtype=torch.float64, size=0.3):
    return size * torch.randn(steps, len(SPECTRUM), generator=torch.Generator().manual_seed(5), dtype=torch.float64).to(
        dtype
    )


def parameter(dtype=torch.float64, start=START):
    return torch.nn.Parameter(torch.tensor(start, dtype=dtype))


def make(schedule, dtype=torch.float64, **options):
    w = parameter(dtype)
    optimizer = torch.optim.SGD([w], lr=1.0, momentum=float(schedule.momentum[0]), **options)
    return w, optimizer, EquivalentLR(optimizer, schedule)


def train(w, optimizer, scheduler, z, first=0, last=None):
    """Weights after every step."""
    found = []
    for noise in z[first:last]:
        optimizer.zero_grad()
        quotient(w, noise).backward()
        optimizer.step()
        scheduler.step()
        found.append(w.detach().clone())
    return torch.stack(found)


def by_hand(w, z, rates, momentum, decay=None, factors=None, delta=None):
    """SGD in PyTorch's form, step by step: weights after every step."""
    generator = torch.Generator().manual_seed(11)
    w, buffer, found = w.detach().clone(), torch.zeros_like(w), []
    for t, noise in enumerate(z):
        leaf = w.detach().requires_grad_(True)
        (g,) = torch.autograd.grad(quotient(leaf, noise), leaf)
        if decay is not None:
            g = g.add(w, alpha=float(decay[t]))
        buffer = buffer.mul(float(momentum[t])).add(g)
        w = w.add(buffer, alpha=-float(rates[t]))
        if factors is not None:
            w, buffer = w * float(factors[t]), buffer / float(factors[t])
        if delta is not None:
            w = w * (1 + delta * (2 * torch.randint(2, w.shape, generator=generator) - 1))
        found.append(w)
    return torch.stack(found)


def directions(w):
    return w / w.norm(dim=-1, keepdim=True)


def rounding(z, rates, momentum, decay, log_p):
    """What rounding may make of the direction after every step, by the amplification of perturbed runs, ``(steps,)``.

    A step rounds a weight by at most 16 u: twice in the update, and by the gradient (three sums of 5 terms and a few
    products, 23 roundings) times the relative step, at most 0.6 here. Its rate is an exponential of two logs of ``p``
    and one of units, each rounded as it is formed and as it is added: by at most ``6 |log p| u``. Runs in float64 whose
    weights, or rates, are multiplied by ``1 + delta xi`` at every step say what becomes of such errors. Both runs
    round, hence 2. In units of u.
    """
    z, delta = z.double(), 2.0**-34
    plain = by_hand(parameter(), z, rates, momentum, decay)
    signs = 2 * torch.randint(2, (len(z),), generator=torch.Generator().manual_seed(12)) - 1
    of_weights = by_hand(parameter(), z, rates, momentum, decay, delta=delta)
    of_rates = by_hand(parameter(), z, np.asarray(rates) * (1 + delta * signs.numpy()), momentum, decay)
    weights, rate = (
        torch.cummax((directions(plain) - directions(run)).norm(dim=-1), 0).values / delta
        for run in (of_weights, of_rates)
    )
    return 2 * (16 * (1 + weights) + 6 * torch.from_numpy(np.abs(log_p[1:])) * rate)


def assert_same_directions(one, other, allowed):
    u = torch.finfo(one.dtype).eps / 2
    ratio = (directions(one) - directions(other)).norm(dim=-1) / (u * allowed)
    assert float(ratio.max()) <= 1, float(ratio.max())


SCHEDULES = {
    "constant": lambda n: bn.equivalent_schedule(0.5, 0.02, 0.0, steps=n),
    "momentum": lambda n: bn.equivalent_schedule(0.1, 0.01, 0.9, steps=n),
    "cosine, warm momentum": lambda n: bn.equivalent_schedule(bn.Cosine(0.2, n), 0.01, np.linspace(0.5, 0.9, n)),
    "step decay": lambda n: bn.equivalent_schedule(StepDecay(0.2, {n // 2: 0.1}), 0.01, 0.8, steps=n),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_it_is_the_loop_written_by_hand_and_the_run_with_decay(name):
    steps = 60
    schedule, z = SCHEDULES[name](steps), noises(steps)
    w, optimizer, scheduler = make(schedule)
    found = train(w, optimizer, scheduler, z)
    assert not schedule.rescaled().steps_with_rescaling.size
    assert torch.equal(found, by_hand(parameter(), z, schedule.lr, schedule.momentum))
    decayed = by_hand(parameter(), z, schedule.eta, schedule.momentum, schedule.weight_decay)
    allowed = rounding(z, schedule.eta, schedule.momentum, schedule.weight_decay, schedule.log_p)
    assert_same_directions(found, decayed, allowed)
    # the sizes are p_t apart; each step rounds them by 16 u as well, and log p_t by 8 u of what it is
    ratio = (decayed.norm(dim=-1) / found.norm(dim=-1)).log().numpy()
    sizes = np.cumsum(allowed.numpy()) - 8 * schedule.log_p[1:]
    np.testing.assert_array_less(np.abs(ratio - schedule.log_p[1:]), sizes * U)
    wrong = by_hand(parameter(), z, schedule.eta, schedule.momentum)
    with pytest.raises(AssertionError):
        assert_same_directions(wrong, decayed, allowed)


def test_units_change_and_nothing_rounds():
    # lr * decay = 0.2 a step: the weights outgrow 2^32 after 100 steps and float32 (2^128) after 400
    steps = 450
    schedule, z = bn.equivalent_schedule(0.5, 0.4, 0.0, steps=steps), noises(450)
    plan = schedule.rescaled()
    w, optimizer, scheduler = make(schedule)
    found = train(w, optimizer, scheduler, z)
    assert len(plan.steps_with_rescaling) >= 3
    assert scheduler.true_scale == (int(plan.log2_scale[-1]),) and scheduler.true_scale[0] >= 96
    assert torch.equal(found, by_hand(parameter(), z, plan.lr, schedule.momentum, factors=plan.factors))
    # without a change of units, rates that are exactly those: every weight is the same but for the power of two
    exact = np.ldexp(plan.lr, 2 * plan.log2_scale[:-1])
    plain = by_hand(parameter(), z, exact, schedule.momentum)
    scale = torch.from_numpy(np.ldexp(1.0, plan.log2_scale[1:]))[:, None]
    assert torch.equal(found * scale, plain)


@pytest.mark.parametrize(("dtype", "steps"), [(torch.float32, 400), (torch.float64, 3000)], ids=["float32", "float64"])
def test_long_growth_stays_finite_where_the_weights_would_not(dtype, steps):
    # the decayed weights settle, those without decay grow as 0.8^-t
    schedule = bn.equivalent_schedule(bn.Cosine(0.5, 10 * steps), 0.4, 0.1, steps=steps)
    z = noises(steps, dtype)
    overflow = schedule.overflow(str(dtype).removeprefix("torch."))
    assert overflow.weights is not None and overflow.lr is not None
    w, optimizer, scheduler = make(schedule, dtype)
    found = train(w, optimizer, scheduler, z)
    assert bool(torch.isfinite(found).all()) and float(found.abs().max()) < 2.0**40
    decayed = by_hand(parameter(dtype), z, schedule.eta, schedule.momentum, schedule.weight_decay)
    assert_same_directions(
        found, decayed, rounding(z, schedule.eta, schedule.momentum, schedule.weight_decay, schedule.log_p)
    )


@pytest.mark.parametrize("larger_root", [True, False])
def test_texp_with_corrections_is_decay(larger_root):
    steps, switches, rates = 40, [15, 30], [0.1, 0.02, 0.05]
    z = noises(steps)
    eta = np.repeat(rates, np.diff([0, *switches, steps]))
    decayed = by_hand(parameter(), z, eta, np.full(steps, 0.7), np.full(steps, 0.05))
    options = {"larger_root": larger_root}
    schedule = texp_schedule(rates, switches, 0.05, 0.7, steps, **options)
    w, optimizer, scheduler = make(schedule)
    assert optimizer.param_groups[0]["weight_decay"] == schedule.rescaled().correction[0] < 0
    allowed = rounding(z, eta, schedule.momentum, schedule.weight_decay, schedule.log_p)
    assert_same_directions(train(w, optimizer, scheduler, z), decayed, allowed)
    w, optimizer, scheduler = make(texp_schedule(rates, switches, 0.05, 0.7, steps, corrected=False, **options))
    found = train(w, optimizer, scheduler, z)
    with pytest.raises(AssertionError):
        assert_same_directions(found, decayed, allowed)


def test_texp_corrections_across_a_change_of_units():
    # decay 1.3 * rate 0.02 grows the weights by 2^32 well before the switch
    steps, z = 900, noises(900)
    schedule = texp_schedule([0.02, 0.004], [600], 1.3, 0.5, steps)
    assert schedule.rescaled().steps_with_rescaling[0] < 600
    w, optimizer, scheduler = make(schedule)
    eta = np.repeat([0.02, 0.004], [600, 300])
    decayed = by_hand(parameter(), z, eta, schedule.momentum, np.full(steps, 1.3))
    allowed = rounding(z, eta, schedule.momentum, schedule.weight_decay, schedule.log_p)
    assert_same_directions(train(w, optimizer, scheduler, z), decayed, allowed)


def saved(*objects):
    """What comes back from a file that may hold plain data only."""
    file = io.BytesIO()
    torch.save([o.state_dict() if hasattr(o, "state_dict") else o.detach() for o in objects], file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def schedule_with_everything():
    """Rates, momentum and units change, and there are corrections."""
    return texp_schedule([0.08, 0.01], [110], 1.5, 0.4, 160)


@pytest.mark.parametrize("optimizer_first", [True, False])
@pytest.mark.parametrize("at", ["start", "before", "rescaling", "after", "switch", "last", "end"])
def test_a_saved_run_continues_bit_for_bit(at, optimizer_first):
    schedule, z = schedule_with_everything(), noises(160)
    rescaling = int(schedule.rescaled().steps_with_rescaling[0])
    assert rescaling < 100
    steps = {"start": 1, "before": rescaling, "rescaling": rescaling + 1, "after": rescaling + 2}
    done = (steps | {"switch": 110, "last": 159, "end": 160})[at]
    whole = make(schedule)
    expected = train(*whole, z)
    first = make(schedule)
    train(*first, z, 0, done)
    weights, of_optimizer, of_scheduler = saved(*first)
    w, optimizer, scheduler = make(schedule)
    with torch.no_grad():
        w.copy_(weights)
    loads = [lambda: optimizer.load_state_dict(of_optimizer), lambda: scheduler.load_state_dict(of_scheduler)]
    for load in loads if optimizer_first else reversed(loads):
        load()
    assert scheduler.true_scale == first[2].true_scale and scheduler.last_epoch == done
    assert scheduler.get_last_lr() == first[2].get_last_lr()
    assert optimizer.param_groups[0]["weight_decay"] == first[1].param_groups[0]["weight_decay"]
    if done < 160:
        assert torch.equal(train(w, optimizer, scheduler, z, done), expected[done:])


def test_a_scheduler_made_for_a_loaded_optimizer_takes_last_epoch():
    schedule, z = bn.equivalent_schedule(0.1, 2.0, np.linspace(0.2, 0.3, 160)), noises(160)
    expected = train(*make(schedule), z)
    first = make(schedule)
    train(*first, z, 0, 120)
    weights, of_optimizer = saved(*first[:2])
    w = torch.nn.Parameter(weights)
    optimizer = torch.optim.SGD([w], lr=1.0, momentum=0.2)
    optimizer.load_state_dict(of_optimizer)
    with pytest.raises(InvalidInputError, match="momentum"):
        EquivalentLR(optimizer, schedule)
    scheduler = EquivalentLR(optimizer, schedule, last_epoch=119)
    assert scheduler.true_scale == first[2].true_scale != (0,)
    assert torch.equal(train(w, optimizer, scheduler, z, 120), expected[120:])


def test_states_of_another_schedule_are_refused():
    schedule = schedule_with_everything()
    first = make(schedule)
    train(*first, noises(160), 0, 100)
    state = first[2].state_dict()
    for other in (
        texp_schedule([0.08, 0.01], [110], 1.4, 0.4, 160),
        texp_schedule([0.08], [], 1.5, 0.4, 90),
        texp_schedule([0.08, 0.01], [90], 1.5, 0.4, 160),
    ):
        with pytest.raises(InvalidInputError, match="make the scheduler with the schedule"):
            make(other)[2].load_state_dict(state)
    with pytest.raises(InvalidInputError, match="log_p, true_scale is missing"):
        make(schedule)[2].load_state_dict({"last_epoch": 3, "_step_count": 4})
    w = parameter()
    two = torch.optim.SGD([{"params": [w]}, {"params": [parameter()]}], lr=1.0, momentum=0.4)
    with pytest.raises(InvalidInputError, match="make the scheduler with the schedule"):
        EquivalentLR(two, schedule).load_state_dict(state)


def test_a_group_without_schedule_is_left_alone():
    schedule = bn.equivalent_schedule(0.5, 0.4, 0.0, steps=200)
    w, v = parameter(), parameter()
    groups = [{"params": [w]}, {"params": [v], "lr": 0.01, "momentum": 0.3, "weight_decay": 0.1, "nesterov": True}]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    scheduler = EquivalentLR(optimizer, [schedule, None])
    alone = parameter()
    other = torch.optim.SGD([alone], lr=0.01, momentum=0.3, weight_decay=0.1, nesterov=True)
    expected = by_hand(w, noises(200), schedule.rescaled().lr, schedule.momentum, factors=schedule.rescaled().factors)
    for noise in noises(200):
        for opt, losses in ((optimizer, (quotient(w, noise), (v * v).sum())), (other, ((alone * alone).sum(),))):
            opt.zero_grad()
            sum(losses).backward()
            opt.step()
        scheduler.step()
    assert torch.equal(v, alone)
    assert torch.equal(w.detach(), expected[-1])
    assert scheduler.true_scale[0] >= 32 and scheduler.true_scale[1] == 0


def test_groups_may_have_schedules_of_their_own():
    steps, z = 40, noises(40)
    schedules = [bn.equivalent_schedule(0.1, decay, 0.9, steps=steps) for decay in (0.01, 0.02)]
    pair = [parameter(), parameter(start=START[::-1])]
    optimizer = torch.optim.SGD([{"params": [p]} for p in pair], lr=1.0, momentum=0.9)
    scheduler = EquivalentLR(optimizer, schedules)
    for noise in z:
        optimizer.zero_grad()
        sum(quotient(p, noise) for p in pair).backward()
        optimizer.step()
        scheduler.step()
    for p, start, schedule in zip(pair, (START, START[::-1]), schedules, strict=True):
        assert torch.equal(p.detach(), by_hand(parameter(start=start), z, schedule.lr, schedule.momentum)[-1])


@pytest.mark.parametrize("options", [{"foreach": True}, {"foreach": False}, {"fused": True}], ids=str)
def test_forms_of_the_optimizer_make_no_difference_but_rounding(options):
    schedule, z = bn.equivalent_schedule(0.1, 2.0, 0.2, steps=150), noises(150)
    expected = train(*make(schedule), z)
    # a fused update may round a product and a sum at once
    allowed = rounding(z, schedule.eta, schedule.momentum, schedule.weight_decay, schedule.log_p)
    assert_same_directions(train(*make(schedule, **options), z), expected, allowed)


def test_a_rate_that_is_a_tensor_is_filled():
    schedule, z = bn.equivalent_schedule(0.1, 0.01, 0.9, steps=5), noises(5)
    w = parameter()
    rate = torch.tensor(1.0, dtype=torch.float64)
    optimizer = torch.optim.SGD([w], lr=rate, momentum=0.9, foreach=False)
    scheduler = EquivalentLR(optimizer, schedule)
    found = train(w, optimizer, scheduler, z)
    allowed = rounding(z, schedule.eta, schedule.momentum, schedule.weight_decay, schedule.log_p)
    assert_same_directions(found, train(*make(schedule), z), allowed)
    assert optimizer.param_groups[0]["lr"] is rate and rate.item() == 0
    scheduler.load_state_dict(scheduler.state_dict() | {"last_epoch": 3, "log_p": [float(schedule.log_p[3])]})
    assert rate.item() == schedule.lr[3]


def test_the_end_of_the_schedule():
    schedule, z = bn.equivalent_schedule(0.1, 0.01, 0.9, steps=3), noises(6)
    w, optimizer, scheduler = make(schedule)
    last = train(w, optimizer, scheduler, z, 0, 3)[-1]
    assert scheduler.get_last_lr() == [0.0]
    optimizer.step()
    assert torch.equal(w.detach(), last)
    with pytest.raises(ScheduleEndedError, match="3 steps, all of them made"):
        scheduler.step()
    assert scheduler.last_epoch == 3


def test_parameters_without_gradient_change_units_too():
    schedule = bn.equivalent_schedule(0.5, 0.4, 0.0, steps=200)
    w, unused = parameter(), parameter()
    optimizer = torch.optim.SGD([w, unused], lr=1.0)
    scheduler = EquivalentLR(optimizer, schedule)
    train(w, optimizer, scheduler, noises(200))
    assert torch.equal(unused.detach() * 2.0 ** scheduler.true_scale[0], parameter().detach())


GOOD = equivalent_schedule(0.1, 0.01, 0.9, steps=10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nesterov": True}, "parameter group 0 has nesterov=True"),
        ({"maximize": True}, "parameter group 0 has maximize=True"),
        ({"dampening": 0.1}, "dampening=0.1.*set it to 0"),
        ({"weight_decay": 5e-4}, "weight_decay=0.0005.*applied twice; set it to 0"),
        ({"momentum": 0.8}, "momentum=0.8, but its schedule has 0.9 at step 0"),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else None,
)
def test_groups_that_would_not_follow_are_refused(options, message):
    optimizer = torch.optim.SGD([parameter()], **({"lr": 0.1, "momentum": 0.9} | options))
    with pytest.raises(InvalidInputError, match=message):
        EquivalentLR(optimizer, GOOD)
    # of a group that is left alone nothing is asked
    optimizer.add_param_group({"params": [parameter()], "momentum": 0.9, "nesterov": False, "maximize": False})
    optimizer.param_groups[1].update(dampening=0, weight_decay=0)
    EquivalentLR(optimizer, [None, GOOD])


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (0.1, "not float"),
        (None, "not NoneType"),
        ([], "0 schedules for 1 parameter groups"),
        ([GOOD, GOOD], "2 schedules for 1 parameter groups"),
        ([None], "every schedule is None"),
        ([bn.Constant(0.1)], "schedule 0 must be an EquivalentSchedule or None, not Constant"),
        (equivalent_schedule(0.1, 0.01, [0.9, 0.0, 0.9]), "momentum of parameter group 0 is 0 at step 1"),
    ],
    ids=str,
)
def test_schedules_that_cannot_be_used(schedule, message):
    with pytest.raises(InvalidInputError, match=message):
        EquivalentLR(torch.optim.SGD([parameter()], lr=0.1, momentum=0.9), schedule)


def test_momentum_may_end_and_be_tiny():
    z = noises(6)
    for momentum in ([0.9, 0.9, 0.5, 0.0, 0.0, 0.0], [1e-30, 0.9, 0.9, 1e-30, 0.5, 0.5]):
        schedule = bn.equivalent_schedule(0.1, 0.05, momentum)
        decayed = by_hand(parameter(), z, schedule.eta, schedule.momentum, schedule.weight_decay)
        allowed = rounding(z, schedule.eta, schedule.momentum, schedule.weight_decay, schedule.log_p)
        assert_same_directions(train(*make(schedule), z), decayed, allowed)


def test_other_optimizers_steps_and_types_are_refused():
    with pytest.raises(InvalidInputError, match=r"the optimizer is Adam.*use that"):
        EquivalentLR(torch.optim.Adam([parameter()]), GOOD)
    for last_epoch in (-2, 10, 1.0, True):
        with pytest.raises(InvalidInputError, match="last_epoch must be"):
            EquivalentLR(torch.optim.SGD([parameter()], lr=0.1, momentum=0.9), GOOD, last_epoch)
    with pytest.raises(InvalidInputError, match="float16, which cannot hold weights"):
        EquivalentLR(torch.optim.SGD([parameter(torch.float16)], lr=0.1, momentum=0.9), GOOD)
    _, optimizer, scheduler = make(GOOD)
    with pytest.raises(InvalidInputError, match="epoch=3"):
        scheduler.step(3)
    optimizer.add_param_group({"params": [parameter()]})
    with pytest.raises(InvalidInputError, match="2 parameter groups, but the scheduler was made for 1"):
        scheduler.step()


def test_running_statistics_lag_until_they_are_recomputed():
    """What the docstring says of evaluation: wrong by far after a change of units, right after ``update_bn``."""
    n, steps = 64, 105
    x = torch.randn(n, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    target = x[:, :4].square()
    net = torch.nn.Sequential(
        torch.nn.Linear(6, 4, bias=False, dtype=torch.float64),
        torch.nn.BatchNorm1d(4, eps=1e-300, affine=False, dtype=torch.float64),
    )
    with torch.no_grad():
        net[0].weight.copy_(torch.arange(24, dtype=torch.float64).sin().reshape(4, 6))
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    schedule = bn.equivalent_schedule(0.5, 0.4, 0.0, steps=steps)
    scheduler = EquivalentLR(optimizer, schedule)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(net(x), target).backward()
        optimizer.step()
        scheduler.step()
    assert steps - 10 < schedule.rescaled().steps_with_rescaling[0] < steps - 1  # a few steps ago
    with torch.no_grad():
        # in train mode the variance is biased, the running one is not
        expected = net(x) * math.sqrt((n - 1) / n)
        assert not torch.allclose(net.eval()(x), expected, rtol=0.1)
        torch.optim.swa_utils.update_bn([x], net)
        # sums of 6 and of 64 terms, twice over; values of size up to 4
        torch.testing.assert_close(net.eval()(x), expected, rtol=0, atol=4 * 2 * (6 + 2 * n) * U)
