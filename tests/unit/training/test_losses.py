"""Terms of the adversarial losses against closed forms, their weights, and what is refused."""

import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy

from trifold.errors import InputError
from trifold.loss_terms import term_weights
from trifold.training import losses


@pytest.fixture
def maps():
    return torch.rand(2, 3, 1, 40, 40, generator=torch.Generator().manual_seed(1)) + 0.01


def test_insulation_vector_is_the_written_out_loop(maps):
    x = maps[0]
    boxes = torch.stack([x[:, :, i : i + 10, i : i + 10].mean((-1, -2)) for i in range(31)], dim=-1).log2()
    means = torch.stack([boxes[..., i : i + 10].mean(-1) for i in range(22)], dim=-1)
    torch.testing.assert_close(losses.insulation_vector(x), means[..., 10:] - means[..., :12])


def test_insulation_ignores_the_scale(maps):
    torch.testing.assert_close(
        losses.insulation_vector(maps[0] * 7), losses.insulation_vector(maps[0]), atol=1e-5, rtol=0
    )


def test_empty_boxes_stay_finite_and_pass_no_gradient(maps):
    target = maps[1].clone()
    target[..., 5:25, 5:25] = 0
    prediction = maps[0].clone()
    prediction[..., 5:25, 5:25] = 0
    prediction.requires_grad_()
    loss = losses.insulation(prediction, target, "published")
    loss.backward()
    assert loss.isfinite()
    assert prediction.grad.isfinite().all()
    # Its boxes reach 9 bins out of the empty square, and those that lie in it are what passes nothing.
    assert (prediction.grad[..., 14:16, 14:16] == 0).all()
    assert (prediction.grad[..., 2:5, 2:5] != 0).any()


@pytest.mark.parametrize("window", [0, 1, 2])
def test_total_variation_of_a_ramp(window):
    ramp = torch.arange(5.0).repeat(3, 1, 5, 1) * (window + 1)
    assert losses.total_variation(ramp).item() == pytest.approx(2 * (window + 1) ** 2)


def test_adversary_of_logits_is_minus_log_probability():
    logits = torch.tensor([[-1.5, 0.0], [0.3, 4.0]])
    probability = torch.sigmoid(logits)
    for loss in ("vehicle", "hicsr", "hicgan"):
        torch.testing.assert_close(losses.adversarial(logits, loss), -probability.log().mean())
        expected = -probability.log().mean() - (1 - torch.sigmoid(-logits)).log().mean()
        torch.testing.assert_close(losses.discriminator_loss(logits, -logits, loss), expected)


def test_adversary_of_deephic():
    real, fake = torch.tensor([0.9, 0.5, 1.0]), torch.tensor([0.2, 0.6, 0.0])
    assert losses.adversarial(fake, "deephic").item() == pytest.approx((0.8 + 0.4 + 1) / 3)
    expected = -(math.log(0.9) + math.log(0.5)) / 3 - (math.log(0.8) + math.log(0.4)) / 3
    assert losses.discriminator_loss(real, fake, "deephic").item() == pytest.approx(expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert losses.probability_loss(fake, False) == binary_cross_entropy(fake, torch.zeros(3))


def test_features_are_summed_over_layers():
    ours, theirs = [torch.ones(1, 2, 3), torch.zeros(4)], [torch.zeros(1, 2, 3), torch.full((4,), 3.0)]
    assert losses.features(ours, theirs) == 10


@pytest.mark.parametrize(
    ("loss", "protocol", "networks", "expected"),
    [
        ("vehicle", "published", ["vae"], {"pixel": 1, "insulation": 1, "vae": 0.001, "adversarial": 0.0025}),
        ("vehicle", "corrected", ["vae"], {"pixel": 1, "insulation": 1, "vae": 0.01, "adversarial": 0.0025}),
        ("deephic", "published", [], {"pixel": 1, "adversarial": 0.001, "variation": 2e-8}),
        (
            "deephic",
            "corrected",
            ["vgg"],
            {"pixel": 1, "adversarial": 0.001, "perceptual": 0.006, "variation": 2e-8},
        ),
        ("hicsr", "corrected", ["dae"], {"pixel": 1, "adversarial": 0.0025, "feature": 1}),
        ("hicgan", "published", [], {"adversarial": 0.1}),
        ("hicgan", "corrected", [], {"pixel": 1, "adversarial": 0.1}),
    ],
)
def test_weights_as_published(loss, protocol, networks, expected):
    assert term_weights(loss, protocol, {}, networks, "image") == expected


def test_weights_of_single_terms_are_replaced():
    given = {"vae": 0, "insulation": 0.5}
    expected = {"pixel": 1, "insulation": 0.5, "adversarial": 0.0025}
    assert term_weights("vehicle", "corrected", given, [], "image") == expected


@pytest.mark.parametrize(
    ("loss", "given", "networks", "message"),
    [
        ("vehicle", {"feature": 1}, ["vae"], "no term feature; it has pixel, insulation, vae, adversarial"),
        ("vehicle", {}, [], r"vae term .*under the arm's `loss_networks` \({vae: <arm>}\), or .*/vae to 0"),
        ("hicsr", {}, [], "feature term .*loss_networks"),
        ("deephic", {"perceptual": 0.006}, [], "perceptual term .*loss_networks"),
        ("vehicle", {}, ["vae", "dae"], "no use for loss_networks dae; it takes vae"),
        ("vehicle", {"vae": 0}, ["vae"], "no use for loss_networks vae; it takes none"),
        ("hicsr", {"pixel": 0, "feature": 0, "adversarial": 0}, [], "leaves loss 'hicsr' no term"),
    ],
)
def test_refuses_terms_and_networks_that_do_not_fit(loss, given, networks, message):
    with pytest.raises(InputError, match=f"arm 'image'.*{message}"):
        term_weights(loss, "corrected", given, networks, "image")


def test_refuses_maps_without_an_insulation(maps):
    small = maps[0, ..., :28, :28]
    with pytest.raises(InputError, match="at least 29 bins and got 28"):
        losses.insulation(small, small, "corrected")
    with pytest.raises(InputError, match="values below 0"):
        losses.insulation(maps[0], maps[1] - 0.5, "corrected")
