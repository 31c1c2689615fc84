"""Class biases that centre the outputs: the means go, the differences stay."""

import pytest
import torch
from torch import nn

from bn_theory.errors import InvalidInputError
from bn_theory.networks import digits, resnet, vgg
from bn_theory.networks.substitutes import centre_classes

IMAGES, _ = (tensor[:100] for tensor in digits())


@pytest.mark.parametrize("net", [vgg(None, init="he", bias=True), resnet(8, None, dtype=torch.float64)])
def test_means_go_and_differences_stay(net):
    with torch.no_grad():
        before = net(IMAGES)
        removed = centre_classes(net, IMAGES, batch=64)  # a last batch of 36 weighs 36
        after = net(IMAGES)
    torch.testing.assert_close(removed, before.mean(0))
    assert removed.abs().max() > 1e-2
    # rounding of a mean of 100 outputs
    assert after.mean(0).abs().max() < 100 * torch.finfo(after.dtype).eps * before.abs().max()
    torch.testing.assert_close(after[1:] - after[:-1], before[1:] - before[:-1])


def test_doing_it_twice_changes_nothing_more():
    net = vgg(None, init="he", bias=True)
    first = centre_classes(net, IMAGES)
    assert centre_classes(net, IMAGES).abs().max() < 1e-13 * first.abs().max()


def test_only_the_last_bias_changes():
    net = vgg(None, init="he", bias=True)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    centre_classes(net, IMAGES)
    changed = [name for name, p in net.named_parameters() if not torch.equal(before[name], p)]
    assert changed == ["last.bias"]


def test_layers_that_will_not_do():
    with pytest.raises(InvalidInputError, match="no linear layer with a bias"):
        centre_classes(vgg(None), IMAGES)
    with pytest.raises(InvalidInputError, match=r"'nothing' .* \['last'\]"):
        centre_classes(resnet(8, None, dtype=torch.float64), IMAGES, last="nothing")
    normalised = vgg("batch", bias=True)
    with pytest.raises(InvalidInputError, match="something follows 'last'"):
        centre_classes(normalised, IMAGES)
    assert not normalised.last._forward_hooks
    assert not torch.any(normalised.last.bias)
    assert isinstance(normalised.last, nn.Linear)
