"""The optimiser of directions and gains against the NumPy steps, and the stack of networks against one network."""

import copy
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install '.[networks]'")

from torch import nn  # noqa: E402

from bn_theory import decoupling  # noqa: E402
from bn_theory.errors import DivergedError, InvalidInputError  # noqa: E402
from bn_theory.networks import batched_mlp as mlp  # noqa: E402
from bn_theory.networks.decoupled import Decoupled  # noqa: E402

UNIT = torch.finfo(torch.float64).eps / 2


def rows(seed=0, shape=(3, 5)):
    generator = torch.Generator().manual_seed(seed)
    return nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64))


def quadratic(w):
    """A loss with curvature everywhere that is not scale-invariant."""
    scale = torch.arange(1, w.numel() + 1, dtype=w.dtype).reshape(w.shape) / w.numel()
    return (scale * w**2).sum() + w.sum()


def trained(w, optimizer, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        quadratic(w).backward()
        optimizer.step()


def test_sgd_steps_are_those_of_numpy():
    w = rows()
    optimizer = Decoupled([w], lr=0.2, gain_lr=0.05)
    gain = torch.linalg.vector_norm(w.detach(), dim=1).numpy()
    v = w.detach().numpy() / gain[:, None]
    for _ in range(10):
        probe = torch.tensor(gain[:, None] * v, requires_grad=True)
        quadratic(probe).backward()
        v, gain = decoupling.decoupled_step(v, gain, probe.grad.numpy(), rate=0.2, gain_rate=0.05)
        trained(w, optimizer, 1)
        # ten steps of a contracting map, some tens of roundings each
        np.testing.assert_allclose(optimizer.direction(w).numpy(), v, atol=1e-13)
        np.testing.assert_allclose(optimizer.gain(w).numpy()[:, 0], gain, rtol=1e-13)
        np.testing.assert_allclose(w.detach().numpy(), gain[:, None] * v, rtol=1e-12, atol=1e-13)


def test_adam_steps_are_those_of_numpy():
    w = rows(1)
    optimizer = Decoupled([w], lr=0.1, base=torch.optim.Adam, relative=True, eps=0.0)
    gain = torch.linalg.vector_norm(w.detach(), dim=1).numpy()
    v = w.detach().numpy() / gain[:, None]
    mean = square = np.zeros(v.shape)
    for t in range(8):
        probe = torch.tensor(gain[:, None] * v, requires_grad=True)
        quadratic(probe).backward()
        update, _ = decoupling.split_gradient(probe.grad.numpy(), v, gain)
        update, mean, square = decoupling.adam_update(update, mean, square, t + 1)
        v = decoupling.moved(v, update, 0.1, relative=True)
        trained(w, optimizer, 1)
        # Adam divides by small entries: digits are lost, but not so many
        np.testing.assert_allclose(optimizer.direction(w).numpy(), v, atol=1e-10)


@pytest.mark.parametrize("base", [torch.optim.SGD, torch.optim.Adam, torch.optim.RMSprop])
@pytest.mark.parametrize("size", [1e-3, 0.5, 20.0])
def test_every_step_keeps_the_norm_and_turns_by_the_angle(base, size):
    w = rows(2, (4, 3, 3, 3))
    optimizer = Decoupled([w], lr=size, gain_lr=0.01, base=base, relative=True)
    for _ in range(5):
        before = optimizer.direction(w).clone()
        trained(w, optimizer, 1)
        after = optimizer.direction(w)
        norms = torch.linalg.vector_norm(after.flatten(1), dim=1)
        # a norm of 27 squares and a division
        assert torch.max(torch.abs(norms - 1)).item() < 40 * UNIT
        cosine = (before * after).flatten(1).sum(dim=1)
        assert torch.max(torch.abs(cosine - float(decoupling.turned_cosine(size)))).item() < 200 * UNIT


def test_rates_may_differ_between_models_of_a_stack():
    """Two models in one stack are what they are alone."""
    both = nn.Parameter(torch.stack([rows(3).detach(), rows(4).detach()]))
    rates = torch.tensor([0.05, 0.4], dtype=torch.float64)[:, None, None]
    together = Decoupled([both], lr=rates, gain_lr=0.1, leading=2)
    for _ in range(5):
        together.zero_grad()
        (quadratic(both[0]) + quadratic(both[1])).backward()
        together.step()
    for i, rate in enumerate((0.05, 0.4)):
        alone = rows(3 + i)
        trained(alone, Decoupled([alone], lr=rate, gain_lr=0.1), 5)
        torch.testing.assert_close(both[i].detach(), alone.detach(), rtol=1e-13, atol=1e-14)


def test_other_parameters_are_trained_by_sgd():
    w, bias = rows(), nn.Parameter(torch.zeros(4, dtype=torch.float64))
    groups = [{"params": [w]}, {"params": [bias], "decoupled": False, "lr": 0.3}]
    optimizer = Decoupled(groups, lr=0.1)
    (quadratic(w) + (2 * bias).sum()).backward()
    optimizer.step()
    assert bias.tolist() == [-0.6] * 4


def test_a_parameter_without_a_gradient_stays():
    w, other = rows(), rows(5)
    before = other.detach().clone()
    optimizer = Decoupled([w, other], lr=0.1, base=torch.optim.Adam, relative=True)
    trained(w, optimizer, 2)
    assert torch.equal(other, before)


def test_schedulers_set_the_rate():
    w = rows()
    optimizer = Decoupled([w], lr=0.5, relative=True)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 0.1**t)
    for t in range(3):
        before = optimizer.direction(w).clone()
        trained(w, optimizer, 1)
        scheduler.step()
        cosine = (before * optimizer.direction(w)).sum(dim=1)
        # 1 - cos is known to some roundings of 1
        assert torch.max(torch.abs(cosine - float(decoupling.turned_cosine(0.5 * 0.1**t)))).item() < 100 * UNIT


@pytest.mark.parametrize("options", [{}, {"base": torch.optim.Adam, "relative": True}, {"momentum": 0.9}])
def test_a_saved_state_goes_on_as_if_nothing_had_happened(options):
    w = rows()
    optimizer = Decoupled([w], lr=0.1, gain_lr=0.05, **options)
    trained(w, optimizer, 3)
    saved, weights = copy.deepcopy(optimizer.state_dict()), w.detach().clone()
    trained(w, optimizer, 3)
    other = nn.Parameter(weights)
    again = Decoupled([other], lr=0.7, gain_lr=0.0, **options)
    again.load_state_dict(saved)
    trained(other, again, 3)
    assert torch.equal(other, w)


def test_the_gain_of_a_normalised_layer_is_inert_and_the_last_layers_is_not():
    model = nn.Sequential(nn.Linear(6, 4, bias=False), nn.BatchNorm1d(4, eps=1e-300), nn.ReLU(), nn.Linear(4, 3))
    model = model.double()
    first, last, bias = model[0].weight, model[3].weight, model[3].bias
    torch.manual_seed(0)
    for p in (first, last):
        nn.init.normal_(p)
    rest = [*model[1].parameters(), bias]
    optimizer = Decoupled(
        [{"params": [first, last]}, {"params": rest, "decoupled": False, "lr": 0.1}], 0.1, gain_lr=0.1
    )
    before = [optimizer.gain(p).clone() for p in (first, last)]
    images, classes = torch.randn(16, 6, dtype=torch.float64), torch.arange(16) % 3
    for _ in range(10):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), classes).backward()
        optimizer.step()
    inert, moved = (
        torch.max(torch.abs(optimizer.gain(p) - g)).item() for p, g in zip((first, last), before, strict=True)
    )
    # ten steps of rounding against ten of gradients
    assert inert < 1e-13 and moved > 1e-3


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda w: Decoupled([w], lr=-0.1), "lr must be finite and >= 0, not -0.1"),
        (lambda w: Decoupled([w], lr=math.nan), "lr must be"),
        (lambda w: Decoupled([w], lr=torch.tensor([[0.1], [math.inf], [0.1]])), "lr must be"),
        (lambda w: Decoupled([w], lr=0.1, gain_lr=-1.0), "gain_lr must be .*-1.0"),
        (lambda w: Decoupled([w], lr=0.1, weight_decay=0.1), "weight_decay=0.1 has no effect"),
        (lambda w: Decoupled([w], lr=0.1, leading=2), "no axis left"),
        (lambda w: Decoupled([w], lr=0.1, leading=0), "leading must be"),
        (lambda w: Decoupled([{"params": [w], "leading": True}], lr=0.1), "leading must be .* not True"),
        (lambda w: Decoupled([{"params": [w], "leading": "all"}], lr=0.1), "leading must be .* not 'all'"),
        (lambda w: Decoupled([w], lr="fast"), "lr must be a number or a tensor, not 'fast'"),
        (lambda w: Decoupled([w], lr=None), "lr must be a number or a tensor, not None"),
        (lambda w: Decoupled([w], lr=0.1, base=torch.optim.LBFGS), "base must be"),
        (lambda w: Decoupled([w], lr=0.1, base=torch.optim.Rprop), "base must be"),
        (lambda w: Decoupled([w], lr=0.1, base="Adam"), "base must be .* not 'Adam'"),
        (lambda w: Decoupled([w], lr=0.1, base=Decoupled), "base must be"),
        (lambda w: Decoupled([nn.Parameter(0 * w.detach())], lr=0.1), "length 0.0 and so no direction"),
        (lambda w: Decoupled([nn.Parameter(w.detach() / 0)], lr=0.1), "no direction"),
    ],
)
def test_what_cannot_be_used_is_refused(make, said):
    with pytest.raises(InvalidInputError, match=said):
        make(rows())


def test_a_rate_that_a_scheduler_breaks_is_refused_before_the_step():
    w = rows()
    optimizer = Decoupled([w], lr=0.1)
    optimizer.param_groups[0]["lr"] = math.nan
    quadratic(w).backward()
    before = w.detach().clone()
    with pytest.raises(InvalidInputError, match="lr must be"):
        optimizer.step()
    assert torch.equal(w, before)


def test_a_step_out_of_the_finite_numbers_is_told():
    w = rows()
    optimizer = Decoupled([w], lr=0.1)
    w.grad = torch.full_like(w, math.inf)
    with pytest.raises(DivergedError, match="lower lr or gain_lr"):
        optimizer.step()


# --- what is 0/0, what is not a number ---


def test_an_entry_without_a_gradient_does_not_stop_its_row():
    """Adam without eps makes 0/0 of it: the entry has the update 0, as in NumPy."""
    w = nn.Parameter(torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64))
    optimizer = Decoupled([w], lr=0.5, base=torch.optim.Adam, relative=True, eps=0.0)
    w.grad = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64)
    optimizer.step()
    v = np.array([1.0, 0.0, 0.0])
    update, *_ = decoupling.adam_update(np.array([0.0, 1.0, 0.0]), 0.0, 0.0, 1)
    expected = decoupling.moved(v, update, 0.5, relative=True)
    np.testing.assert_allclose(optimizer.direction(w).numpy()[0], expected, rtol=8 * UNIT)
    np.testing.assert_allclose(expected, [2 / math.sqrt(5), -1 / math.sqrt(5), 0.0], rtol=8 * UNIT)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("options", [{}, {"relative": True}, {"base": torch.optim.Adam, "relative": True}])
def test_a_gradient_that_is_not_finite_is_told_before_anything_moves(bad, options):
    w = rows()
    before = w.detach().clone()
    optimizer = Decoupled([w], lr=0.1, **options)
    w.grad = torch.ones_like(w)
    w.grad[1, 2] = bad
    with pytest.raises(DivergedError, match="a gradient is not finite"):
        optimizer.step()
    assert torch.equal(w, before)
    trained(w, optimizer, 1)  # the base has seen nothing of it
    assert torch.isfinite(w).all() and not torch.equal(w, before)


class Broken(torch.optim.SGD):
    """A base whose updates are not numbers though its gradients are."""

    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.data.fill_(math.nan)


def test_an_update_that_is_not_a_number_is_no_stop():
    w = rows()
    optimizer = Decoupled([w], lr=0.1, base=Broken, relative=True)
    w.grad = torch.ones_like(w)
    with pytest.raises(DivergedError, match="left the finite numbers"):
        optimizer.step()


@pytest.mark.parametrize("options", [{}, {"base": torch.optim.Adam, "relative": True}])
def test_a_copy_goes_on_by_itself(options):
    w = rows()
    optimizer = Decoupled([w], lr=0.1, gain_lr=0.05, **options)
    trained(w, optimizer, 2)
    again = copy.deepcopy(optimizer)
    (other,) = again.param_groups[0]["params"]
    assert other is not w
    trained(other, again, 3)
    halfway = w.detach().clone()
    trained(w, optimizer, 3)
    assert torch.equal(w, other) and not torch.equal(w, halfway)


def test_a_state_of_another_optimiser_is_refused():
    w = rows()
    optimizer = Decoupled([w], lr=0.1)
    for other in (torch.optim.SGD([w], lr=0.1), Decoupled([{"params": [w], "decoupled": False}], lr=0.1)):
        with pytest.raises(InvalidInputError, match="no state of a Decoupled"):
            optimizer.load_state_dict(other.state_dict())


@pytest.mark.parametrize("option", [{"momentum": 0.9}, {"betas": (0.9, 0.9)}, {"weight_decay": 0.1}])
def test_options_of_the_base_in_a_group_are_refused(option):
    with pytest.raises(InvalidInputError, match=f"{next(iter(option))} of a group would be ignored"):
        Decoupled([{"params": [rows()], **option}], lr=0.1)


def test_momentum_is_the_bases_for_all_groups():
    """Two steps by hand: the second moves against ``0.9`` of the first gradient and the second one, made tangential."""
    w = rows(1, (1, 4))
    optimizer = Decoupled([w], lr=0.2, momentum=0.9)
    gain = torch.linalg.vector_norm(w.detach()).item()
    v, velocity = w.detach().numpy()[0] / gain, np.zeros(4)
    for _ in range(2):
        probe = torch.tensor(gain * v, requires_grad=True)
        quadratic(probe).backward()
        velocity = 0.9 * velocity + decoupling.split_gradient(probe.grad.numpy(), v, gain)[0]
        v = decoupling.moved(v, velocity, 0.2)
        trained(w, optimizer, 1)
        np.testing.assert_allclose(optimizer.direction(w).numpy()[0], v, atol=1e-14)  # some tens of roundings


# --- the stack of networks ---


def alone(parameters, i):
    """One network of a stack, in torch's own modules."""
    width, inputs = parameters["first"].shape[1:]
    net = nn.Sequential(
        nn.Linear(inputs, width, bias=False),
        nn.BatchNorm1d(width, eps=mlp.EPS, affine=False),
        nn.ReLU(),
        nn.Linear(width, width, bias=False),
        nn.BatchNorm1d(width, eps=mlp.EPS, affine=False),
        nn.ReLU(),
        nn.Linear(width, mlp.CLASSES),
    ).double()
    with torch.no_grad():
        for module, name in ((0, "first"), (3, "second"), (6, "last")):
            net[module].weight.copy_(parameters[name][i])
        net[6].bias.copy_(parameters["bias"][i])
    return net


def test_a_stack_is_its_networks():
    parameters = mlp.starts(6, [3, 4], copies=2, inputs=9, dtype=torch.float64)
    assert torch.equal(parameters["first"][0], parameters["first"][2])  # seeds first, then copies
    assert not torch.equal(parameters["first"][0], parameters["first"][1])
    with torch.no_grad():
        parameters["bias"].add_(torch.randn(parameters["bias"].shape, generator=torch.Generator().manual_seed(1)))
    images = torch.randn(4, 20, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    classes = torch.arange(20) % mlp.CLASSES
    outputs, statistics = mlp.logits(parameters, images)
    losses = mlp.losses(outputs, classes)
    losses.sum().backward()
    for i in range(4):
        net = alone(parameters, i)
        out = net(images[i])
        # two layers of sums of 9 and 6 terms, normalised
        torch.testing.assert_close(outputs[i], out, rtol=1e-11, atol=1e-11)
        loss = nn.functional.cross_entropy(out, classes)
        assert losses[i].item() == pytest.approx(loss.item(), rel=1e-11)
        loss.backward()
        torch.testing.assert_close(parameters["second"].grad[i], net[3].weight.grad, rtol=1e-9, atol=1e-11)
        right = (out.argmax(dim=1) == classes).double().mean()
        assert mlp.accuracies(outputs, classes)[i].item() == pytest.approx(right.item())
    again, _ = mlp.logits(parameters, images[:, :1], statistics)
    torch.testing.assert_close(again[:, 0], outputs[:, 0], rtol=1e-11, atol=1e-11)


def test_hidden_rows_are_scale_invariant_and_the_last_layer_is_not():
    parameters = mlp.starts(6, [0], inputs=9, dtype=torch.float64)
    images = torch.randn(20, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    outputs, _ = mlp.logits(parameters, images)
    for name, same in (("first", True), ("second", True), ("last", False)):
        scaled = dict(parameters)
        factors = torch.linspace(0.5, 3.0, parameters[name].shape[1], dtype=torch.float64)[:, None]
        scaled[name] = parameters[name] * factors
        # eps of 1e-12 next to variances of order 1
        assert torch.allclose(mlp.logits(scaled, images)[0], outputs, rtol=0, atol=1e-9) == same


@pytest.mark.parametrize("arguments", [(0, [0]), (4, []), (4, [0], 0), (4, [0], 1, 0)])
def test_a_stack_of_nothing_is_refused(arguments):
    with pytest.raises(InvalidInputError, match="at least 1"):
        mlp.starts(*arguments)
