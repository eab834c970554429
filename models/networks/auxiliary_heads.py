"""The second readouts of DARTS's networks, for training only (Liu et al. 2019)."""

from torch import nn


def cifar_auxiliary_head(channels: int, num_classes: int) -> nn.Sequential:
    """Readout of maps of 8×8 (images of 32×32)."""
    return nn.Sequential(
        nn.ReLU(),
        nn.AvgPool2d(5, stride=3, count_include_pad=False),
        nn.Conv2d(channels, 128, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.Conv2d(128, 768, 2, bias=False),
        nn.BatchNorm2d(768),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(768, num_classes),
    )


def imagenet_auxiliary_head(channels: int, num_classes: int) -> nn.Sequential:
    """Readout of maps of 7×7 (images of 224×224)."""
    return nn.Sequential(
        nn.ReLU(),
        nn.AvgPool2d(5, stride=2, count_include_pad=False),
        nn.Conv2d(channels, 128, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        # Without batch normalisation: so the published networks were trained.
        nn.Conv2d(128, 768, 2, bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(768, num_classes),
    )
