"""A whole space of DAGs in one fit, against fits of its members one after another."""

import math
from collections.abc import Iterator

import pytorch_lightning as pl
from _measure import Bench, Pair, Result, main
from torch.optim import SGD, Optimizer

from datamodules import DigitsDataModule
from models import DagMLPClassifier, DagSpaceClassifier
from models.topology import enumerate_dags

SHAPE, CLASSES = (1, 8, 8), 10


def optimizer(parameters: object) -> Optimizer:
    """The same for all."""
    return SGD(parameters, lr=0.01)  # type: ignore[arg-type]


def measure(bench: Bench) -> Iterator[Result]:
    """All wirings of four nodes on digits; of the single fits, a sample."""
    sizes = bench.pick((33, 65, 130, 260), (2, 4))
    whole, sample = bench.pick((260, 13), (4, 2))
    epochs, width = bench.pick((3, 64), (1, 4))
    space = [str(dag) for dag in enumerate_dags(4, distinct=False)]

    def fit(model: pl.LightningModule) -> pl.LightningModule:
        trainer = bench.trainer(max_epochs=epochs)
        trainer.fit(model, DigitsDataModule(batch_size=64, validation=0))
        return model

    def prepare(count: int) -> Pair:
        dags = space[:: len(space) // count][:count]

        def new() -> DagSpaceClassifier:
            return DagSpaceClassifier(SHAPE, CLASSES, dags, width=width, optimizer=optimizer)

        indices = range(0, count, max(1, count // sample))
        initial = {i: new().initial_network(i).state_dict() for i in [*indices][:sample]}

        def together() -> list[float]:
            model = fit(new())
            losses = model.history["train/loss"][epochs]
            return [float(losses[i]) for i in initial]

        def one_by_one() -> list[float]:
            losses = []
            for i, weights in initial.items():
                model = DagMLPClassifier(dags[i], SHAPE, CLASSES, width, optimizer=optimizer)
                model.network.load_state_dict(weights)
                losses.append(float(fit(model).trainer.callback_metrics["train/loss"]))
            return losses

        return Pair(together, one_by_one)

    yield bench.measure(
        f"{epochs} epochs of {whole} DAG-MLPs on digits, width {width}, batch 64",
        prepare,
        of="members",
        sizes=sizes,
        at=whole,
        share=sample / whole,
        naive="one fit after another",
        agree=lambda ours, naive: all(
            map(lambda a, b: math.isclose(a, b, rel_tol=1e-3), ours, naive)
        ),
    )


if __name__ == "__main__":
    main("dag_space", measure)
