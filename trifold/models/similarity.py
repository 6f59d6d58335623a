"""Structural similarity of maps, and the loss made of it (Lau 2025)."""

import torch
import torch.nn.functional as F
from torch import Tensor

SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
MSE_SHARE, SSIM_SHARE = 0.8, 0.2


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004) of images on [0, 1] (B, C, H, W), mean over pixels and channels: (B,).

    Gaussian window of 11 pixels (or the whole image, if smaller), sigma 1.5, no padding; K 0.01 and 0.03.
    """
    size = min(SSIM_WINDOW, *a.shape[-2:])
    offset = torch.arange(size, device=a.device, dtype=torch.float32) - size // 2
    window = torch.exp(-offset.square() / (2 * SSIM_SIGMA**2))
    window = window / window.sum()

    def mean(maps: Tensor) -> Tensor:
        flat = maps.flatten(0, 1)[:, None]  # (B · C, 1, H, W)
        return F.conv2d(F.conv2d(flat, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))

    # Variances are small differences of squares: half precision would leave nothing of them.
    with torch.autocast(a.device.type, enabled=False):
        a, b = a.float(), b.float()
        mean_a, mean_b = mean(a), mean(b)
        variances = mean(a * a) - mean_a.square() + mean(b * b) - mean_b.square()
        covariance = mean(a * b) - mean_a * mean_b
        c1, c2 = 0.01**2, 0.03**2
        similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
        similarity = similarity / ((mean_a.square() + mean_b.square() + c1) * (variances + c2))
    return similarity.reshape(len(a), -1).mean(1)


def mse_ssim_loss(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """0.8·MSE + 0.2·(1 - SSIM) of maps on [0, 1], (B, 1, S, S) each -> scalar.

    The MSE is over the pixels of the mask. A target outside may hold anything, NaN included: the SSIM, whose windows
    reach over it, takes it as met, without a gradient.
    """
    seen = prediction.detach()
    prediction, target = torch.where(mask, prediction, seen), torch.where(mask, target, seen)
    square = (prediction - target).square().sum() / mask.sum().clamp(min=1)
    return MSE_SHARE * square + SSIM_SHARE * (1 - ssim(prediction, target).mean())
