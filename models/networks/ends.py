"""Where cell networks begin and end."""

from torch import nn


def stem(in_channels: int, channels: int) -> nn.Sequential:
    """3×3 convolution and batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
    )


def head(channels: int, num_classes: int) -> nn.Sequential:
    """Batch normalisation, ReLU, global average, linear readout: (N, channels, H, W) to logits."""
    return nn.Sequential(
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, num_classes),
    )


def check_stem(use_stem: bool, in_channels: int, channels: int) -> None:
    """Refuse to do without a stem where the first cell's maps are not the image's.

    Raises:
        ValueError: `in_channels` differs from the stem's `channels`.
    """
    if not use_stem and in_channels != channels:
        raise ValueError(
            f"use_stem: without a stem in_channels must be {channels} (the first cell's), "
            f"got {in_channels}"
        )
