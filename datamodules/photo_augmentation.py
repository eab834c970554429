"""Augmentation for sets of few photos: another view and another light, drawn per image.

torchvision's transforms draw once for a whole batch, so that its images would share a view, and the
views would depend on how a batch is dealt to processes. Here an image's view follows from its own
draws; the whole batch is one resampling on its device.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

DRAWS = 9
"""Numbers per image: flip, area, ratio, x, y, angle, brightness, contrast, saturation."""

_AREA = (0.6, 1.0)
_RATIO = (3 / 4, 4 / 3)
_DEGREES = 10
_LIGHT = 0.2


def augment_photos(images: Tensor, draws: Tensor) -> Tensor:
    """Show a part of each image, mirrored half of the time, turned a little, in other light.

    The part has 60 % to 100 % of the area at a ratio of 3:4 to 4:3 and is turned by up to 10°;
    what lies outside is mirrored. Brightness, contrast and saturation change by up to a fifth.

    Args:
        images: uint8 of shape (B, C, H, W).
        draws: uniform in [0, 1), shape (B, 9).

    Returns:
        uint8 of shape (B, C, H, W).
    """
    flip, area, ratio, x, y, angle, *light = draws.unbind(1)
    area = _AREA[0] + (_AREA[1] - _AREA[0]) * area
    ratio = torch.exp(math.log(_RATIO[0]) + (math.log(_RATIO[1]) - math.log(_RATIO[0])) * ratio)
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    radians = math.radians(_DEGREES) * (2 * angle - 1)
    mirrored = torch.where(flip < 0.5, -width, width)
    cos, sin = radians.cos(), radians.sin()
    rows = (
        (mirrored * cos, -height * sin, (1 - width) * (2 * x - 1)),
        (mirrored * sin, height * cos, (1 - height) * (2 * y - 1)),
    )
    grid = F.affine_grid(
        torch.stack([torch.stack(row, 1) for row in rows], 1), list(images.shape), False
    )
    seen = F.grid_sample(images.float(), grid, padding_mode="reflection", align_corners=False)
    return _in_other_light(seen, *light).clamp_(0, 255).round_().to(torch.uint8)


def _in_other_light(
    images: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor
) -> Tensor:
    """Change the light of images in [0, 255], (B, C, H, W), by draws in [0, 1), (B,)."""
    brightness, contrast, saturation = (
        (1 - _LIGHT + 2 * _LIGHT * draw).view(-1, 1, 1, 1)
        for draw in (brightness, contrast, saturation)
    )
    images = images * brightness
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * saturation
    mean = grey.mean((2, 3), keepdim=True)
    return mean + (images - mean) * contrast
