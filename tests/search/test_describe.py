"""Objects as builtins, and which arguments of a DataModule a search depends on."""

from datamodules import CIFAR10DataModule, DigitsDataModule
from models.indicators import NTKConditionNumber, RankAggregate, SynFlow
from models.search import describe, describe_images


def test_things_are_told_apart_by_class_and_public_attributes() -> None:
    assert describe(None) is None
    assert describe((1, "a", {"b": 2.5})) == [1, "a", {"b": 2.5}]
    coupled = describe(NTKConditionNumber("coupled"))
    assert coupled["class"] == "NTKConditionNumber"
    assert coupled["batch_norm"] == "coupled"
    assert describe(SynFlow()) == {"class": "SynFlow"}
    aggregate = describe(RankAggregate([SynFlow(), NTKConditionNumber("coupled")], "linear"))
    assert aggregate["indicators"] == [{"class": "SynFlow"}, coupled]


def test_images_may_lie_elsewhere_and_train_in_another_way() -> None:
    images = describe_images(CIFAR10DataModule("data", validation=0.2, seed=3))
    other = CIFAR10DataModule(
        "elsewhere",
        download=True,
        validation=0.2,
        seed=3,
        batch_size=7,
        augment="crop+flip",
        num_workers=2,
    )
    assert describe_images(other) == images
    assert images["class"] == "CIFAR10DataModule"
    for different in (
        CIFAR10DataModule("data", validation=0.1, seed=3),
        CIFAR10DataModule("data", validation=0.2, seed=4),
        DigitsDataModule(validation=0.2, seed=3),
    ):
        assert describe_images(different) != images
