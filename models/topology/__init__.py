"""Graphs of architectures, and the two numbers that summarise them.

Values (`Dag`, `NasBench201Cell`, `DartsCell`, `NdsCell`) print as the strings of the field, and
each holds its networkx graph. Every graph follows one convention, so that
`effective_depth_width` needs no other:

* an edge's `operations` is the number of parameterised operations on it (0: skip or pooling);
* an edge's `probability`, where given, is the share of kept operations it stands for (default 1);
* parallel edges are alternatives, each a path variant of its own;
* `graph.graph["inputs"]`, `["output"]`: the ends of the paths; `["removed"]`: edges that the
  space has and this architecture has not, for pictures.
"""

from models.topology.dag import Dag
from models.topology.dag_space import enumerate_dags
from models.topology.darts import DartsCell
from models.topology.depth_width import DepthWidth, Topology, effective_depth_width, graph_of
from models.topology.figure import draw_topology
from models.topology.nasbench101 import NasBench101Cell
from models.topology.nasbench201 import NasBench201Cell
from models.topology.nds import NdsCell
from models.topology.supernet import supernet_graph
from models.topology.trace import trace

__all__ = [
    "Dag",
    "DartsCell",
    "DepthWidth",
    "NasBench101Cell",
    "NasBench201Cell",
    "NdsCell",
    "Topology",
    "draw_topology",
    "effective_depth_width",
    "enumerate_dags",
    "graph_of",
    "supernet_graph",
    "trace",
]
