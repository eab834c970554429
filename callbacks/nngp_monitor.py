"""The NNGP kernel of a module's DAG, beside the spectrum of the network's empirical NTK."""

from collections.abc import Mapping

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities.seed import isolate_rng

from callbacks.outputs import show, takes_figures
from callbacks.probe import dropout_off, probe
from callbacks.topology_monitor import HasTopology
from models.analysis.spectra import nngp_spectra, spectra_figure
from models.indicators import empirical_ntk, ntk_spectrum


class NNGPMonitor(pl.Callback):
    """Log the NNGP kernel of a module's DAG on a fixed probe set, once, before training.

    Logs, of the exact kernel (`models.indicators.nngp_kernel`) on `probe_size` training images:

    * `nngp/lambda_min` (higher trains faster) and `nngp/lambda_max`;
    * `nngp/log10_condition_number`: log₁₀ κ; lower is better conditioned; `inf` where singular;
    * `nngp/paper_bound`: the bound of λ_min by path depths (arXiv 2205.05662, Eq. 12).

    In TensorBoard, the figure `nngp/spectrum` sets the eigenvalues under the exact and the paper's
    recursion beside those of the network's empirical NTK. Probes are those of an `NTKMonitor` of
    the same `probe_size` and `seed`. The kernel is that of the MLP without BatchNorm which the DAG
    wires; a convolutional network has another, whose order over DAGs the paper takes to be the
    same.

    Args:
        probe_size: images N.
        seed: of the choice of probes.

    Raises:
        ValueError: fewer than 2 probes.
        MisconfigurationException: no probe images, or a module without one DAG as `topology()`.
    """

    def __init__(self, probe_size: int = 64, seed: int = 0) -> None:
        if probe_size < 2:
            raise ValueError(f"probe_size: expected 2 or more, got {probe_size}")
        self.probe_size = probe_size
        self.seed = seed

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Check that the module has one DAG."""
        if not isinstance(pl_module, HasTopology) or isinstance(pl_module.topology(), Mapping):
            raise MisconfigurationException(
                f"NNGPMonitor: {type(pl_module).__name__} has no method topology() that returns "
                "one DAG; the kernel of other architectures is not known"
            )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure, unless a checkpoint continues a run."""
        if trainer.global_step:
            return
        assert isinstance(pl_module, HasTopology)
        dag = pl_module.topology()
        assert not isinstance(dag, Mapping)
        images = probe(self, trainer, pl_module, self.probe_size, self.seed)
        try:
            record, eigenvalues = nngp_spectra(dag, images)
        except ValueError as error:
            raise MisconfigurationException(f"NNGPMonitor: {error}") from error
        values = {f"nngp/{name}": value for name, value in record.items()}
        for logger in trainer.loggers:
            logger.log_metrics({**values, "epoch": 0}, step=0)
        if not takes_figures(trainer):
            return
        with isolate_rng(), dropout_off(pl_module):
            ntk = ntk_spectrum(empirical_ntk(pl_module, images, batch_norm="frozen"))
        figure = spectra_figure(eigenvalues | {"empirical NTK": ntk.eigenvalues})
        show(trainer, "nngp/spectrum", figure, 0)
