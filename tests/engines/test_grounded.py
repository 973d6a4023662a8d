"""Grounding and the starter's fusion network: promises that hold for any weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engines.models.fusion import FusionInputs
from engines.models.grounded import GroundedFusion
from engines.models.grounding import Grounding
from engines.models.moments import Moments

N, L, V, A, D = 3, 5, 6, 4, 16
#: A gate by what it does: it starts at zero.
CLOSED = "heard_moments.scale_K"


@pytest.fixture
def network() -> GroundedFusion:
    torch.manual_seed(1)
    network = GroundedFusion(D, 2).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "gate" in name or name == CLOSED:
                parameter.fill_(0.7)
    return network


@pytest.fixture
def inputs() -> list[Tensor]:
    generator = torch.Generator().manual_seed(2)
    media = [
        part
        for count in (V, A)
        for part in (
            torch.randn(N, count, D, generator=generator),
            torch.rand(N, count, generator=generator) < 0.8,
            10 * torch.rand(N, count, generator=generator),
        )
    ]
    return [*media, torch.randn(N, L, D, generator=generator), torch.ones(N, L, dtype=torch.bool)]


def test_what_a_word_is_told_is_the_best_answer() -> None:
    torch.manual_seed(1)
    grounding = Grounding(D, 1)
    word_11D, sights_1VD = torch.randn(1, 1, D), torch.randn(1, V, D)
    open_1, open_V = torch.ones(1, 1, dtype=torch.bool), torch.ones(1, V, dtype=torch.bool)
    grounding.log_sharpness.data.fill_(8.0)
    cosines_V = grounding.cosines(word_11D, sights_1VD)[0, 0, 0]
    found = grounding.traced(word_11D, open_1, sights_1VD, open_V)
    assert torch.allclose(found.text_NLD[0, 0], grounding.to_text(cosines_V.max()[None]), atol=1e-4)
    assert found.text_weight_NLM[0, 0].argmax() == cosines_V.argmax()


def test_equal_tokens_agree_from_the_start() -> None:
    torch.manual_seed(1)
    tokens_1VD = torch.randn(1, V, D)
    cosines_VV = Grounding(D, 2).cosines(tokens_1VD, tokens_1VD).mean(1)[0]
    assert torch.allclose(cosines_VV.diagonal(), torch.ones(V), atol=1e-5)


def test_one_moment_is_enough() -> None:
    torch.manual_seed(1)
    moments = Moments(D, scale=1.0)
    tokens_1VD = 0.01 * torch.randn(1, V, D)
    tokens_1VD[0, 2] = moments.say.weight[1].detach()  # says of the second task all that can be said
    alone_1K, _ = moments(tokens_1VD[:, 2:3], torch.ones(1, 1, dtype=torch.bool))
    among_1K, weights_1KV = moments(tokens_1VD, torch.ones(1, V, dtype=torch.bool))
    said_VK = moments.say(moments.norm(tokens_1VD))[0]
    assert said_VK.mean(0)[1] < among_1K[0, 1] < alone_1K[0, 1]
    assert weights_1KV[0, 1].argmax() == said_VK[:, 1].argmax() == 2
    assert torch.equal(moments(tokens_1VD, torch.zeros(1, V, dtype=torch.bool))[0], torch.zeros(1, 3))


def test_without_sound_or_with_closed_gates_it_is_the_vision_language_network(
    network: GroundedFusion, inputs: list[Tensor]
) -> None:
    silent = [*inputs[:4], torch.zeros_like(inputs[4]), *inputs[5:]]
    heard, unheard = network(*inputs)[0], network(*silent)[0]
    assert not torch.allclose(heard, unheard)
    for name, parameter in network.named_parameters():
        if "gate" in name or name == CLOSED:
            parameter.data.zero_()
    assert torch.equal(network(*inputs)[0], unheard)


def test_masked_tokens_say_nothing(network: GroundedFusion, inputs: list[Tensor]) -> None:
    other = list(inputs)
    for tokens, mask in ((0, 1), (3, 4)):
        other[tokens] = inputs[tokens] + 50 * (~inputs[mask])[..., None]
    for one, two in zip(network(*inputs), network(*other), strict=True):
        assert torch.allclose(one, two, atol=1e-5)


@pytest.mark.parametrize("missing", [(), (1,), (4,), (7,), (1, 7), (1, 4)])
def test_weights_share_one_whole(network: GroundedFusion, inputs: list[Tensor], missing: tuple[int, ...]) -> None:
    for index in missing:
        inputs[index] = torch.zeros_like(inputs[index])
    weights = network(*inputs)[3:]
    assert all(bool((weight >= 0).all()) for weight in weights)
    total_NK = torch.cat(weights, dim=-1).sum(-1)
    assert torch.allclose(total_NK, torch.ones_like(total_NK), atol=1e-4)
    for weight, mask in zip(weights, (inputs[1], inputs[4], inputs[7]), strict=True):
        assert bool((weight * ~mask[:, None] == 0).all())


def test_logits_alone_are_those_of_the_whole_forward_pass(network: GroundedFusion, inputs: list[Tensor]) -> None:
    inputs[4] = inputs[4] & torch.tensor([[True], [True], [False]])
    assert torch.allclose(network.logits(FusionInputs(*inputs)), network(*inputs)[0], atol=1e-6)
    for found, expected in zip(network.judged(FusionInputs(*inputs)), network(*inputs)[:2], strict=True):
        assert torch.allclose(found, expected, atol=1e-6)
