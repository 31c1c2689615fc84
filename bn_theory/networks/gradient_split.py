"""A gradient taken apart, radial and tangential, or by the mean input and by what differs from it.

For one filter with weights ``w``, outputs ``x_i = <w, a_i>`` at the images and positions ``i`` and ``d_i = dL/dx_i``,

    grad = sum_i d_i a_i = (sum_i d_i) abar + sum_i d_i (a_i - abar),    <w, grad> = sum_i d_i x_i.

The first term is the input-independent part. Directly before a batch normalisation both ``sum_i d_i`` and
``<w, grad>`` are 0 (``bn-theory prove bjorck2018.review_questions``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import cross_entropy, unfold
from torch.nn.modules.batchnorm import _BatchNorm

from bn_theory.errors import InvalidInputError
from bn_theory.networks.gradient_statistics import Normalised, centred_gradients, input_independent_part
from bn_theory.networks.invariance import DELTA, SAMPLES
from bn_theory.networks.rays import batch_loss, forward
from bn_theory.networks.rounding import longest_chain, unit
from bn_theory.networks.training import check_batch, check_images


@dataclass(frozen=True, eq=False)
class Split:
    """The gradient of one kernel on one batch, and what it is made of; tensors have the weight's shape, filters first.

    Attributes:
        weight, gradient: ``w`` and ``dL/dw``.
        independent: the input-independent part of the gradient, ``(sum_i d_i) abar`` in every filter.
        mean_input: ``abar``, of the shape of one filter; the zeros of a padding are inputs like others.
        normalised: whether a batch normalisation in train mode reads the kernel's outputs directly.
        independent_rounding, radial_rounding: shape ``(filters,)``, where ``normalised``: what rounding may make of
            ``|independent|`` and of ``|<w, gradient>|/|w|``, which are 0 then (the second one if ``eps = 0``);
            infinite elsewhere.
    """

    weight: torch.Tensor
    gradient: torch.Tensor
    independent: torch.Tensor
    mean_input: torch.Tensor
    normalised: bool
    independent_rounding: torch.Tensor
    radial_rounding: torch.Tensor

    @property
    def radial(self) -> torch.Tensor:
        """The part of the gradient along the weights, filter by filter: ``<w, g>/<w, w> w``."""
        return radial_part(self.weight, self.gradient)

    @property
    def tangential(self) -> torch.Tensor:
        """The gradient without its radial part."""
        return self.gradient - self.radial

    @property
    def by_chance(self) -> float:
        """The radial share of a direction drawn at random: 1 over the weights of a filter."""
        return 1 / self.weight[0].numel()


def radial_part(weight: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """``<w, g>/<w, w> w`` for every filter, the entries of the first axis.

    >>> radial_part(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 0.0]]))
    tensor([[0.3600, 0.4800]])
    """
    w, g = weight.flatten(1), vector.flatten(1)
    return (((w * g).sum(1) / (w * w).sum(1))[:, None] * w).reshape(weight.shape)


def share(part: torch.Tensor, whole: torch.Tensor) -> float:
    """``|part|^2/|whole|^2``; NaN where the whole is 0."""
    size = float(whole.square().sum())
    return float(part.square().sum()) / size if size else math.nan


def split_gradients(model: nn.Module, images: torch.Tensor, classes: torch.Tensor) -> dict[str, Split]:
    """The gradient of the batch's cross-entropy in every kernel, split; the model is left as it is.

    Args:
        model: its convolutions and linear layers are taken, each evaluated once in a forward pass.
        images: shape ``(n, channels, height, width)``. classes: shape ``(n,)``.

    Returns:
        dict: from names of parameters, such as ``"conv1.weight"``, in the order of evaluation.

    Raises:
        InvalidInputError: a grouped convolution, or one that does not pad by zeros; a model without kernels; images
            that are not finite, a batch of one under batch normalisation.

    >>> from bn_theory.networks import digits, vgg
    >>> images, classes = digits()
    >>> found = split_gradients(vgg(channels=(4,), hidden=()), images[:32], classes[:32])
    >>> [(name, s.normalised, float(s.independent.norm()) < 1e-12) for name, s in found.items()]
    [('conv1.weight', True, True), ('last.weight', True, True)]
    """
    check_images(images, classes)
    check_batch(model, len(images))
    read, norms = [], {}

    def kernel(name):
        return lambda module, inputs, output: read.append((name, module, inputs[0], output))

    def norm(module, inputs, output):
        norms[id(inputs[0])] = (module, output, inputs[0])  # kept alive, as an id is one object's only while it lives

    handles = []
    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            _check_kernel(name, module)
            handles.append(module.register_forward_hook(kernel(name)))
        elif isinstance(module, _BatchNorm) and module.training:
            handles.append(module.register_forward_hook(norm))
    if not handles or not any(isinstance(m, (nn.Conv2d, nn.Linear)) for m in model.modules()):
        raise InvalidInputError("the model has no convolution and no linear layer whose gradient could be split")
    try:
        loss = batch_loss(model, images, classes)
    finally:
        for handle in handles:
            handle.remove()
    behind = [norms.get(id(output)) for *_, output in read]
    wanted = [module.weight for _, module, _, _ in read] + [output for *_, output in read]
    wanted += [found[1] for found in behind if found is not None]
    grads = torch.autograd.grad(loss, wanted)
    count = len(read)
    upstream = iter(grads[2 * count :])
    splits = {}
    for (name, module, given, output), gradient, back, found in zip(
        read, grads[:count], grads[count : 2 * count], behind, strict=True
    ):
        weight, a, output = module.weight.detach().clone(), _inputs(module, given.detach()), output.detach()
        mean_input = a.mean(1)
        sizes = output.new_full((2, len(weight)), math.inf)
        if found is not None:
            sizes = _rounding(found[0], weight, a, output, back, found[1].detach(), next(upstream))
        splits[f"{name}.weight"] = Split(
            weight,
            gradient,
            input_independent_part(_rows(back), a).reshape(weight.shape),
            mean_input.reshape(weight.shape[1:]),
            found is not None,
            *sizes,
        )
    return splits


def _check_kernel(name, module):
    if isinstance(module, nn.Conv2d) and (
        module.groups != 1 or module.padding_mode != "zeros" or isinstance(module.padding, str)
    ):
        raise InvalidInputError(
            f"{name} has groups={module.groups}, padding={module.padding!r} and padding_mode={module.padding_mode!r}; "
            "gradients are split for one group, with zeros as padding given in numbers"
        )


def _inputs(module, given):
    """What the kernel multiplies, shape ``(weights of a filter, images and positions)``."""
    if isinstance(module, nn.Linear):
        return given.flatten(0, -2).T
    patches = unfold(given, module.kernel_size, module.dilation, module.padding, module.stride)
    return patches.transpose(0, 1).flatten(1)


def _rows(tensor):
    """Shape ``(channels, images and positions)``."""
    return tensor.transpose(0, 1).flatten(1) if tensor.ndim > 2 else tensor.T


def _rounding(norm, weight, a, output, back, after, upstream):
    """What rounding may make of ``|independent|`` and of ``|<w, grad>|/|w|`` behind a normalisation, filter by filter.

    ``|independent|`` is ``|sum_i d_i| |abar|`` and ``sum_i d_i x_i = s sum_i d_i xhat_i + mean(x) sum_i d_i``, with the
    sums' roundings as in ``centred_gradients``; the ``p`` products in ``x`` and in ``<w, .>`` and the ``n`` in the
    gradient round as well, by ``(n + 2 p) u |d| |w| |a|`` together (Cauchy-Schwarz).
    """
    scale = output.new_ones(output.shape[1]) if norm.weight is None else norm.weight.detach()
    sums = centred_gradients(Normalised(output, after, upstream, back, scale))
    s, mean = torch.std_mean(_rows(output), 1, correction=0)
    sizes = weight.flatten(1).norm(dim=1), _rows(back).norm(dim=1)
    own = (a.shape[1] + 2 * len(a)) * unit(output.dtype) * sizes[1] * a.norm()
    radial = (s * sums.against_rounding + mean.abs() * sums.plain_rounding) / sizes[0] + own
    return torch.stack([sums.plain_rounding * a.mean(1).norm(), radial])


@dataclass(frozen=True)
class RadialDerivatives:
    """``<w_l, grad_l L>`` of every kernel, and what they are in a network of positively homogeneous layers.

    Attributes:
        layers: by name of the weight.
        outputs: ``d/dc L(c z)`` at c = 1, ``z`` the outputs: the mean over images of ``<softmax(z) - e_y, z>``.
        rounding: what rounding may make of the difference of any two of them.
    """

    layers: dict[str, float]
    outputs: float
    rounding: float

    @property
    def gap(self) -> float:
        """The largest distance of a layer's derivative from that of the outputs; NaN if one is."""
        gaps = [abs(value - self.outputs) for value in self.layers.values()]
        return math.nan if any(map(math.isnan, gaps)) else max(gaps)


def radial_derivatives(
    model: nn.Module, images: torch.Tensor, classes: torch.Tensor, seed: int = 0
) -> RadialDerivatives:
    """``<w_l, grad_l L>`` layer by layer: all equal in a chain of linear layers, ReLU and pooling without biases.

    The rounding is ``N u (|R| + largest change of R per relative change of all weights)``, N the additions along the
    longest chain (:func:`bn_theory.networks.rounding.longest_chain`): its amplification is sampled, as in
    :func:`bn_theory.networks.invariance.scale_invariant_groups`.

    Args:
        images: shape ``(n, channels, height, width)``. classes: shape ``(n,)``.
        seed: of the signs by which weights are perturbed.

    Raises:
        InvalidInputError: images that are not finite; a model without kernels.

    Source: derived in this package (``bn-theory prove bjorck2018.review_questions``).

    >>> from bn_theory.networks import digits, vgg
    >>> images, classes = digits()
    >>> found = radial_derivatives(vgg(None, channels=(4,), hidden=(8,)), images[:32], classes[:32])
    >>> len(found.layers), found.gap <= found.rounding < 1e-9
    (3, True)
    """
    check_images(images, classes)
    names = [f"{name}.weight" for name, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    if not names:
        raise InvalidInputError("the model has no convolution and no linear layer")
    point = {name: p.detach() for name, p in model.named_parameters()}
    generator = torch.Generator().manual_seed(seed)

    def evaluate(parameters):
        leaves = {name: p.clone().requires_grad_() for name, p in parameters.items()}
        outputs = forward(model, images, leaves)
        grads = torch.autograd.grad(cross_entropy(outputs, classes), [leaves[n] for n in names], retain_graph=True)
        (back,) = torch.autograd.grad(cross_entropy(outputs, classes), outputs)
        found = [float((parameters[n] * g).sum()) for n, g in zip(names, grads, strict=True)]
        return torch.tensor([*found, float((back * outputs.detach()).sum())], dtype=torch.float64)

    values = evaluate(point)
    change = 0.0
    for _ in range(SAMPLES):
        signs = {n: 2.0 * (torch.rand(p.shape, generator=generator) < 0.5) - 1 for n, p in point.items()}
        moved = evaluate({n: p * (1 + DELTA * signs[n].to(p)) for n, p in point.items()})
        change = max(change, float((moved - values).abs().max()) / DELTA)
    chain = longest_chain(model, lambda: forward(model, images))
    dtype = point[names[0]].dtype
    rounding = 2 * chain * unit(dtype) * (float(values.abs().max()) + change)  # of each of the two
    return RadialDerivatives(dict(zip(names, values[:-1].tolist(), strict=True)), float(values[-1]), rounding)
