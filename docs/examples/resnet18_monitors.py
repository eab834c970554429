"""Effective depth and width and the NTK of torchvision's ResNet-18, as it trains.

`ResNet18` is a LightningModule that knows nothing of this project, but for its method `topology`,
which `TopologyMonitor` asks for. `NTKMonitor` needs nothing of it.

Run it, then look at `runs/resnet18` with TensorBoard:

    python docs/examples/resnet18_monitors.py
"""

from collections.abc import Sequence

import networkx as nx
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset
from torchvision.models import resnet18

from callbacks import NTKMonitor, TopologyMonitor
from models.topology import trace


class ResNet18(pl.LightningModule):
    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.network = resnet18(num_classes=num_classes)

    def topology(self) -> "nx.MultiDiGraph[int]":
        return trace(self.network, torch.zeros(2, 3, 32, 32, device=self.device))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return logits

    def training_step(self, batch: Sequence[Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)


def main(epochs: int = 2, images: int = 64, probe_size: int = 8, folder: str = "runs") -> None:
    data = TensorDataset(torch.randn(images, 3, 32, 32), torch.randint(10, (images,)))
    trainer = pl.Trainer(
        max_epochs=epochs,
        logger=TensorBoardLogger(folder, name="resnet18"),
        callbacks=[TopologyMonitor(), NTKMonitor(probe_size=probe_size)],
        log_every_n_steps=1,
    )
    trainer.fit(ResNet18(), DataLoader(data, batch_size=32, shuffle=True))


if __name__ == "__main__":
    main()
