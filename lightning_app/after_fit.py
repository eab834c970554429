"""What the test after a fit needs, looked for before the fit."""

from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer

from models.search import Search


class OpenTestData(Callback):
    """Open the test data when a fit is set up: what is missing is said before the first epoch."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Look for what `trainer.test` will ask for.

        Raises:
            ValueError: a search, which trains no network.
            MisconfigurationException: a module without a test step.
            Exception: whatever the DataModule says of test data that it cannot open.
        """
        name = type(pl_module).__name__
        if isinstance(pl_module, Search):
            raise ValueError(f"test_after_fit: {name} trains no network; train what it finds")
        if type(pl_module).test_step is LightningModule.test_step:
            raise MisconfigurationException(f"test_after_fit: {name} has no test_step")
        data: LightningDataModule | None = getattr(trainer, "datamodule", None)
        if stage == "fit" and data is not None:
            data.setup("test")
