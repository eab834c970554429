"""LightningDataModules: images in memory, verified, and split the same way every time."""

from datamodules.base import ImageDataModule
from datamodules.cifar import CIFAR10DataModule, CIFAR100DataModule
from datamodules.digits import DigitsDataModule
from datamodules.image_folder import ImageFolderDataModule
from datamodules.imagenet16 import ImageNet16DataModule
from datamodules.mnist import MNISTDataModule
from datamodules.svhn import SVHNDataModule

__all__ = [
    "CIFAR10DataModule",
    "CIFAR100DataModule",
    "DigitsDataModule",
    "ImageDataModule",
    "ImageFolderDataModule",
    "ImageNet16DataModule",
    "MNISTDataModule",
    "SVHNDataModule",
]
