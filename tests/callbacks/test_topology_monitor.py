"""Depth, width and a picture per epoch, for whatever says how it is wired."""

from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from callbacks import TopologyMonitor
from models import DagMLPClassifier
from models.topology import Dag, NasBench201Cell


def fit(module: pl.LightningModule, logger: Any, epochs: int = 2) -> pl.Trainer:
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=logger,
        callbacks=[TopologyMonitor()],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        log_every_n_steps=1,
    )
    data = TensorDataset(torch.randn(8, 1, 2, 2), torch.arange(8) % 2)
    trainer.fit(module, DataLoader(data, 4))
    return trainer


def events(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder), {"scalars": 0, "images": 0}).Reload()


class Plain(pl.LightningModule):
    """A module that is none of ours, wired as it is told for each epoch."""

    def __init__(self, *wirings: Any) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.wirings = wirings

    def topology(self) -> Any:
        return self.wirings[min(self.current_epoch, len(self.wirings) - 1)]

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return nn.functional.cross_entropy(self.layer(batch[0].flatten(1)), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class Untold(Plain):
    """A module that does not say how it is wired."""

    topology = None


def test_depth_and_width_per_epoch_and_one_figure(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    fit(DagMLPClassifier("2_21_112", (1, 2, 2), 2, width=4), logger)
    seen = events(Path(logger.log_dir))
    assert [e.value for e in seen.Scalars("effective_depth")] == [1.25] * 2
    assert [e.value for e in seen.Scalars("effective_width")] == pytest.approx([2.4] * 2)
    assert len(seen.Images("topology")) == 1


def test_named_topologies_get_their_tags(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    cells = {"normal": Dag.parse("2"), "reduce": Dag.parse("2_02_002").graph}
    trainer = fit(Plain(cells), logger)
    assert trainer.callback_metrics["effective_depth/normal"] == 1
    assert trainer.callback_metrics["effective_depth/reduce"] == 3
    assert trainer.callback_metrics["effective_width/reduce"] == pytest.approx(1 / 3)
    assert events(Path(logger.log_dir)).Tags()["images"] == ["topology/normal", "topology/reduce"]


def test_a_wiring_that_changes_is_followed_and_drawn_again(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    first = NasBench201Cell(("nor_conv_3x3",) * 6)
    second = NasBench201Cell(("nor_conv_3x3",) * 3 + ("none",) + ("nor_conv_3x3",) * 2)
    fit(Plain(first, first, second), logger, epochs=3)
    seen = events(Path(logger.log_dir))
    assert [e.value for e in seen.Scalars("effective_depth")] == pytest.approx([2, 2, 7 / 3])
    assert len(seen.Images("topology")) == 2


def test_any_networkx_graph_and_any_logger(tmp_path: Path) -> None:
    graph = nx.DiGraph()
    graph.add_edge("in", "out", operations=2)
    trainer = fit(Plain(graph), CSVLogger(tmp_path))
    assert trainer.callback_metrics["effective_depth"] == 2


def test_a_module_without_topology_is_refused_by_name() -> None:
    with pytest.raises(MisconfigurationException, match=r"Untold has no method topology\(\)"):
        fit(Untold(), False)
