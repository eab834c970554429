"""Plain networks: nn.Modules that know nothing of training."""

from models.networks.cost import Latency, latency
from models.networks.dag import DagConvNet, DagMLP
from models.networks.dag_population import DagPopulation
from models.networks.darts import DartsNetworkCifar, DartsNetworkImageNet
from models.networks.darts_supernet import DartsSupernet
from models.networks.initialisation import initialise_
from models.networks.nasbench201 import NasBench201Network
from models.networks.nasbench201_supernet import NasBench201Supernet
from models.networks.supernet import Supernet, SupernetCell

__all__ = [
    "DagConvNet",
    "DagMLP",
    "DagPopulation",
    "DartsNetworkCifar",
    "DartsNetworkImageNet",
    "DartsSupernet",
    "Latency",
    "NasBench201Network",
    "NasBench201Supernet",
    "Supernet",
    "SupernetCell",
    "initialise_",
    "latency",
]
