"""The trainer: torch's own SGD, a state that goes on bit for bit, projection, and what it refuses."""

import math

import pytest
import torch
from torch import nn

from bn_theory.errors import InvalidInputError
from bn_theory.networks import Trainer, digits, evaluate, resnet, sgd, vgg
from bn_theory.networks.threads import one_thread

KERNELS = ("conv1.weight", "last.weight")


@pytest.fixture(autouse=True)
def single_thread():
    with one_thread():
        yield


@pytest.fixture
def data():
    x, y = digits()
    return x[:70], y[:70]


def net(seed=0, norm="batch"):
    return vgg(norm, channels=(3,), hidden=(), seed=seed)


def trainer(data, seed=0, momentum=0.9, **options):
    model = net()
    return Trainer(model, sgd(model, 0.1, momentum=momentum), *data, batch=16, seed=seed, **options)


def weights(run):
    return {name: t.clone() for name, t in run.model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


def flip(images, generator):
    return images.flip(-1) if torch.rand((), generator=generator) < 0.5 else images


def test_a_step_is_torchs_own(data):
    run = trainer(data)
    run.steps(1)
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    order = torch.randperm(70, generator=run._generator(0, 0))[:16]
    loss = nn.functional.cross_entropy(model(data[0][order]), data[1][order])
    loss.backward()
    optimizer.step()
    assert run.losses == [loss.item()]
    assert same(weights(run), model.state_dict())


def test_an_epoch_takes_no_image_twice_and_orders_differ(data):
    seen = []
    images = torch.arange(70.0, dtype=torch.float64).view(-1, 1, 1, 1).expand(-1, 1, 8, 8) + data[0] * 1e-3
    run = Trainer(
        m := net(), sgd(m, 1e-6), images, data[1], batch=16, augment=lambda x, g: seen.append(x.mean((1, 2, 3))) or x
    )
    run.steps(8)
    first, second = torch.cat(seen[:4]).round().tolist(), torch.cat(seen[4:]).round().tolist()
    assert run.steps_per_epoch == 4
    assert len(set(first)) == len(set(second)) == 64
    assert first != second
    other = trainer(data, seed=1)
    other.steps(1), run.steps(0)
    assert other.losses != run.losses[:1]


@pytest.mark.parametrize("cut", [1, 4, 7])
@pytest.mark.parametrize("augment", [None, flip])
def test_a_saved_run_goes_on_bit_for_bit(data, cut, augment):
    whole = trainer(data, augment=augment)
    whole.steps(10)
    first = trainer(data, augment=augment)
    first.steps(cut)
    state = first.state()
    first.steps(1)  # what was saved is not a view of what goes on
    second = trainer(data, augment=augment)
    second.load(state)
    assert (second.step, second.losses) == (cut, whole.losses[:cut])
    second.steps(10 - cut)
    assert second.losses == whole.losses
    assert same(weights(second), weights(whole))


def test_without_the_momentum_buffers_it_would_not(data):
    whole, second = trainer(data), trainer(data)
    whole.steps(3)
    state = {name: t for name, t in whole.state().items() if not name.startswith("optimizer.")}
    whole.steps(2)
    second.load(state)
    second.steps(2)
    assert second.losses[:4] == whole.losses[:4]  # the loss before the first step knows nothing of buffers
    assert second.losses != whole.losses


def test_adams_state_too(data):
    def adam():
        model = net()
        return Trainer(model, torch.optim.Adam(model.parameters(), lr=0.01), *data, batch=16)

    whole, second = adam(), adam()
    whole.steps(3)
    second.load(whole.state())
    whole.steps(3), second.steps(3)
    assert second.losses == whole.losses


def test_a_state_of_another_model_is_refused(data):
    other = resnet(8, width=2, dtype=torch.float64)
    with pytest.raises(InvalidInputError, match="saved state is of another model"):
        trainer(data).load(Trainer(other, sgd(other, 0.1), *data, batch=16).state())


def test_projection_keeps_norms_and_nothing_else_does(data):
    free, held = trainer(data, momentum=0.0), trainer(data, momentum=0.0, projected=KERNELS)
    start = {name: p.detach().norm().item() for name, p in net().named_parameters()}
    free.steps(20), held.steps(20)
    for name in KERNELS:
        grown, kept = free.model.get_parameter(name).norm().item(), held.model.get_parameter(name).norm().item()
        assert grown > start[name] * (1 + 1e-3)
        # a norm of n entries and a factor, both rounded, 20 times
        assert kept == pytest.approx(start[name], rel=20 * (free.model.get_parameter(name).numel() + 4) * 2**-53)
    assert held.model.get_parameter("last_norm.weight").norm().item() != start["last_norm.weight"]


def test_a_joint_group_keeps_its_joint_norm_only(data):
    pair = ("last_norm.weight", "last_norm.bias")
    run = trainer(data, momentum=0.0, projected=[pair, "conv1.weight"])
    run.steps(10)
    gamma, beta = (run.model.get_parameter(name).detach() for name in pair)
    assert torch.hypot(gamma.norm(), beta.norm()).item() == pytest.approx(10**0.5, rel=10 * 24 * 2**-53)
    assert abs(gamma.norm().item() - 10**0.5) > 1e-9  # not each by itself: far above the roundings of ten steps
    free = trainer(data, momentum=0.0)
    free.steps(10)
    free_gamma, free_beta = (free.model.get_parameter(name).detach() for name in pair)
    assert abs(torch.hypot(free_gamma.norm(), free_beta.norm()).item() - 10**0.5) > 1e-3


def test_the_first_projected_step_takes_the_direction_of_the_free_one(data):
    free, held = trainer(data), trainer(data, projected=KERNELS)
    free.steps(1), held.steps(1)
    for name in KERNELS:
        a, b = free.model.get_parameter(name).detach(), held.model.get_parameter(name).detach()
        assert torch.allclose(a / a.norm(), b / b.norm(), rtol=1e-14, atol=1e-14)


def test_others_have_their_own_rate(data):
    model = net()
    others = ("last_norm.weight", "last_norm.bias")
    run = Trainer(model, sgd(model, 0.1, others=others, others_lr=0.0), *data, batch=16)
    run.steps(3)
    assert torch.equal(model.get_parameter("last_norm.weight"), torch.ones(10, dtype=torch.float64))
    assert not torch.equal(model.get_parameter("conv1.weight"), net().get_parameter("conv1.weight"))


def test_divergence_ends_the_run_and_is_kept(data):
    model = resnet(8, None, width=4, dtype=torch.float64)
    run = Trainer(model, sgd(model, 1e6), *data, batch=16)
    run.steps(50)
    assert run.diverged is not None and run.diverged == run.step < 50
    assert not math.isfinite(run.losses[-1]) and all(map(math.isfinite, run.losses[:-1]))
    again = Trainer(m := resnet(8, None, width=4, dtype=torch.float64), sgd(m, 1e6), *data, batch=16)
    again.load(run.state())
    again.steps(3)
    assert (again.diverged, again.step) == (run.diverged, run.step)


def test_evaluation_is_by_running_averages_and_gives_modes_back(data):
    run = trainer(data)
    run.steps(12)
    run.model.norm1.eval()
    loss, accuracy = evaluate(run.model, *data, batch=32)
    assert run.model.training and run.model.last_norm.training and not run.model.norm1.training
    run.model.eval()
    with torch.no_grad():
        output = run.model(data[0])
    assert loss == pytest.approx(nn.functional.cross_entropy(output, data[1]).item(), rel=1e-12)
    assert accuracy == (output.argmax(1) == data[1]).double().mean().item()


def broken(x):
    x = x.clone()
    x[5, 0, 2, 3] = math.nan
    return x


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: {"images": broken(x)}, "image 5 has a number that is not finite .1 of 70"),
        (lambda x, y: {"classes": y[:3]}, "one class for each"),
        (lambda x, y: {"classes": y.double()}, "classes must be whole numbers, not torch.float64"),
        (lambda x, y: {"classes": y - 1}, "classes must be numbered from 0, not -1"),
        (lambda x, y: {"images": x.float()}, "images are torch.float32 and the model is torch.float64"),
        (lambda x, y: {"batch": 71}, "batch must be from 1 to the 70 images, not 71"),
        (lambda x, y: {"batch": 1}, r"batch 1 under norm1 \(BatchNorm2d\): one image has no variance"),
        (lambda x, y: {"projected": ["conv2.weight"]}, r"projected has \['conv2.weight'\], but the trained"),
    ],
)
def test_bad_input_is_refused_before_the_first_step(data, change, message):
    options = {"images": data[0], "classes": data[1], "batch": 16} | change(*data)
    model = net()
    with pytest.raises(InvalidInputError, match=message):
        Trainer(model, sgd(model, 0.1), options.pop("images"), options.pop("classes"), **options)


def test_a_class_beyond_the_outputs_is_named(data):
    model = vgg(channels=(3,), hidden=(), classes=4)
    run = Trainer(model, sgd(model, 0.1), *data, batch=16)
    with pytest.raises(InvalidInputError, match=r"class 9 is there, but the model has 4 outputs, for 0 to 3"):
        run.steps(1)


def test_a_normalisation_in_eval_mode_is_named(data):
    model = net()
    model.last_norm.eval()
    with pytest.raises(InvalidInputError, match=r"last_norm \(BatchNorm1d\) is in eval mode.*call model.train"):
        Trainer(model, sgd(model, 0.1), *data, batch=16)


def test_sgd_names_what_it_does_not_know():
    with pytest.raises(InvalidInputError, match=r"others has \['nothing'\]"):
        sgd(net(), 0.1, others=["nothing"])
    for name, value in (("lr", -0.1), ("lr", math.nan), ("lr", math.inf), ("momentum", -1.0), ("weight_decay", -1.0)):
        with pytest.raises(InvalidInputError, match=f"{name} must be from 0 to"):
            sgd(net(), **({"lr": 0.1} | {name: value}))
    with pytest.raises(InvalidInputError, match=r"lr must be from 0 to 3\.4e\+38"):
        sgd(resnet(8, width=2), 1e39)
    with pytest.raises(InvalidInputError, match="no trained parameter"):
        sgd(net().requires_grad_(False), 0.1)
    assert len(sgd(net(), 0.1).param_groups) == 1
