"""The attention model against one written out sum by sum, its scale invariance, starts, and what is refused."""

import math

import pytest

torch = pytest.importorskip("torch", reason="bn_theory.networks needs torch: pip install '.[networks]'")

from bn_theory.errors import InvalidInputError  # noqa: E402
from bn_theory.networks import scale_invariant_groups  # noqa: E402
from bn_theory.networks.attention import DECAYED, AttentionRuns  # noqa: E402
from bn_theory.networks.modular_addition import losses_of, pairs  # noqa: E402

SIZES = {"width": 6, "heads": 2, "hidden": 5, "dtype": torch.float64}
TOKENS = torch.tensor([[0, 1], [2, 2], [1, 0]])


def by_hand(model, run, a, b):
    """Logits of one pair in one run, head by head and token by token."""
    own = {name: p.detach()[run] for name, p in model.named_parameters()}
    x = [own["E"][a] + own["pos"][0], own["E"][b] + own["pos"][1]]
    size = 6 // model.heads
    mixed = [torch.zeros(6, dtype=torch.float64) for _ in x]
    for head in range(model.heads):
        part = slice(head * size, (head + 1) * size)
        q, k, v = ([token @ own[name][:, part] for token in x] for name in ("W_Q", "W_K", "W_V"))
        if model.normalised:
            q, k = ([y / math.sqrt(float(y @ y) / size) for y in ys] for ys in (q, k))
        for t in range(2):
            scores = torch.stack([q[t] @ k[u] for u in range(2)]) / math.sqrt(size)
            weights = torch.exp(scores) / torch.exp(scores).sum()
            mixed[t][part] = weights[0] * v[0] + weights[1] * v[1]
    out = 0
    for t in range(2):
        z = x[t] + mixed[t] @ own["W_O"]
        out = out + (z + torch.clamp(z @ own["W_1"] + own["b_1"][0], min=0) @ own["W_2"]) / 2
    return out @ own["W_U"]


@pytest.mark.parametrize("normalised", [True, False])
def test_logits_are_those_written_out(normalised):
    model = AttentionRuns(3, [4, 5], normalised=normalised, **SIZES)
    with torch.no_grad():
        model.b_1.copy_(torch.linspace(-1, 1, 10).reshape(2, 1, 5))
    logits = model(TOKENS)
    assert logits.shape == (2, 3, 3)
    for run in range(2):
        for n, (a, b) in enumerate(TOKENS.tolist()):
            torch.testing.assert_close(logits[run, n].detach(), by_hand(model, run, a, b), rtol=1e-12, atol=1e-13)


def test_runs_share_nothing():
    """A run is what it is alone, and the gradient of the sum is that of its own loss."""
    together, alone = AttentionRuns(3, [4, 5], **SIZES), AttentionRuns(3, [5], **SIZES)
    classes = torch.tensor([0, 1, 2])
    losses_of(together(TOKENS), classes).sum().backward()
    losses_of(alone(TOKENS), classes).sum().backward()
    for (name, both), one in zip(together.named_parameters(), alone.parameters(), strict=True):
        assert torch.equal(both[1], one[0]), name
        torch.testing.assert_close(both.grad[1], one.grad[0], rtol=1e-11, atol=1e-13)


def test_starts():
    before = torch.random.get_rng_state()
    model = AttentionRuns(40, [1, 2], width=64, heads=2, hidden=96)
    assert torch.equal(torch.random.get_rng_state(), before)  # torch's global generator is left alone
    for name in DECAYED:
        norms = torch.linalg.matrix_norm(getattr(model, name).detach())
        torch.testing.assert_close(norms, torch.full((2,), 8.0))
    # standard errors of a deviation are 1/sqrt(2 n) of it, n >= 2560 entries: five of them
    for name, size in (("E", 0.3), ("W_1", 64**-0.5), ("W_2", 96**-0.5), ("W_U", 64**-0.5), ("W_V", 64**-0.5)):
        assert float(getattr(model, name).detach()[0].std()) == pytest.approx(size, rel=5 / math.sqrt(2 * 2560)), name
    assert not torch.equal(model.W_Q[0], model.W_Q[1]) and not torch.equal(model.W_Q[0], model.W_K[0])
    assert float(model.b_1.detach().abs().max()) == 0


def test_an_orthogonal_start():
    model = AttentionRuns(3, [1], orthogonal=True, **SIZES)
    for name in DECAYED:
        W = getattr(model, name).detach()[0]
        torch.testing.assert_close(W.T @ W, torch.eye(6, dtype=torch.float64), rtol=0, atol=1e-14)


@pytest.mark.parametrize("normalised", [True, False])
def test_queries_and_keys_are_scale_invariant_with_the_normalisation_only(normalised):
    model = AttentionRuns(4, [0, 1], normalised=normalised, **SIZES)
    tokens, classes = pairs(4)
    found = scale_invariant_groups(model, lambda: losses_of(model(tokens), classes).sum())
    assert set(DECAYED) & set(found.invariant) == (set(DECAYED) if normalised else set())
    assert not set(found.invariant) & {"W_V", "W_O", "W_1", "W_U"}


def test_the_columns_of_one_head_are_scale_invariant():
    model = AttentionRuns(3, [0], **SIZES)
    with torch.no_grad():
        before = model(TOKENS)
        model.W_Q[:, :, :3] *= 8.0  # a power of two: nothing rounds
        torch.testing.assert_close(model(TOKENS), before, rtol=1e-14, atol=1e-14)
        model.W_Q[:, :, :2] *= 8.0
        assert float((model(TOKENS) - before).abs().max()) > 1e-3


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((1, [0]), {}),
        ((3.0, [0]), {}),
        ((3, []), {}),
        ((3, [0]), {"width": 7, "heads": 2}),
        ((3, [0]), {"width": 4, "heads": 4}),
        ((3, [0]), {"hidden": 0}),
        ((3, [0]), {"heads": True}),
    ],
)
def test_sizes_that_cannot_be_used(arguments, options):
    with pytest.raises(InvalidInputError):
        AttentionRuns(*arguments, **options)
