"""The strategy of a search: which backend its processes talk by."""

from pytorch_lightning import Trainer

from lightning_app.strategy import SearchStrategy


def test_gloo_by_default() -> None:
    trainer = Trainer(accelerator="cpu", devices=2, strategy="search", logger=False)
    assert isinstance(trainer.strategy, SearchStrategy)
    assert trainer.strategy.process_group_backend == "gloo"
    assert SearchStrategy(process_group_backend="nccl").process_group_backend == "nccl"
