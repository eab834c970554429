"""The graph of operations of any torch module, for its effective depth and width."""

import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import networkx as nx
import torch
from torch import Tensor, fx, nn
from torch._ops import HigherOrderOperator, OpOverload
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_flatten, tree_unflatten

# The positions of the factors of a product; one that is a parameter makes it an operation.
_LAYERS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(
        ("linear", "conv1d", "conv2d", "conv3d", "convolution", "_convolution"), (0, 1)
    ),
    **dict.fromkeys(
        ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "conv_tbc"), (0, 1)
    ),
    "bilinear": (0, 1, 2),
}
_PRODUCTS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("matmul", "mm", "bmm", "mv", "dot", "inner", "tensordot"), (0, 1)),
    **dict.fromkeys(("linalg_matmul", "linalg_vecdot", "vdot", "_sparse_mm"), (0, 1)),
    **dict.fromkeys(("addmm", "addbmm", "baddbmm", "addmv"), (1, 2)),
    # All factors are one argument, a list.
    **dict.fromkeys(("linalg_multi_dot", "chain_matmul"), (0,)),
    "einsum": (1,),
}
_FACTORS = _LAYERS | _PRODUCTS
_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
_RECURRENT_CELLS = tuple(f"{name}_cell" for name in _RECURRENT)


def trace(
    module: nn.Module, example: Tensor | tuple[Any, ...] | Mapping[str, Any]
) -> "nx.MultiDiGraph[int]":
    """The dataflow graph of one forward pass, in this package's convention.

    A convolution, a Linear or another product with a parameter is one operation (a
    depthwise-separable pair is two); everything else is none: normalisation, activation, pooling,
    embedding, the product of two activations. So attention's q, k, v and output projections are
    operations and its softmax is not; a residual block's shortcut is a path, and of two
    activations that are multiplied each continues its paths. A tensor that one function takes
    twice (x·x, x + x) goes in by parallel edges: two paths. Shapes, data types, parameters and
    constants (class token, position embedding) are no path, and none goes through a product with
    the number 0 (the operation `none` of cells).

    The forward is run once, in the mode that the module is in, on tensors without storage: it costs
    no arithmetic, moves no running statistics and draws no random numbers.

    Args:
        module: any module whose forward does the same whatever the values of its tensors.
        example: its argument, the tuple of its arguments, or its keyword arguments. Every tensor
            in them, within lists, tuples and dictionaries too, that leads to the output is an input
            of the graph; all tensors returned feed its output.

    Returns:
        Nodes 0 to n − 1 in topological order, the output last: inputs, operations, and where
        branches meet. `operations` on every edge is 0 or 1; `label` is the name of the
        parameterised module, or `skip`.

    Raises:
        ValueError: no module, an example without a tensor, or a module that cannot be traced;
            names the submodule and the line that stopped it.
    """
    program, parameters, buffers = _record(module, example)
    return _dataflow(program, parameters, buffers)


def _record(
    module: nn.Module, example: Tensor | tuple[Any, ...] | Mapping[str, Any]
) -> tuple[fx.GraphModule, list[str], int]:
    """The operators that a forward calls; its placeholders are parameters, buffers and inputs."""
    if not isinstance(module, nn.Module):
        raise ValueError(f"module: expected a torch.nn.Module, got {type(module).__name__}")
    args = () if isinstance(example, Mapping) else example
    args = (args,) if isinstance(args, Tensor) else args
    kwargs = dict(example) if isinstance(example, Mapping) else {}
    values, structure = tree_flatten((args, kwargs))
    if not isinstance(args, tuple) or not any(isinstance(value, Tensor) for value in values):
        raise ValueError(
            "example: expected a tensor, or a tuple or mapping of arguments with a tensor, got "
            f"{type(example).__name__}"
        )
    parameters = dict(module.named_parameters())
    buffers = dict(module.named_buffers())
    names = [*parameters, *buffers]

    def forward(*tensors: Tensor) -> Any:
        state = dict(zip(names, tensors, strict=False))
        given = iter(tensors[len(names) :])
        filled, named = tree_unflatten(
            [next(given) if isinstance(value, Tensor) else value for value in values], structure
        )
        return functional_call(module, state, filled, named)

    # Fresh tensors: one given for two arguments is two inputs.
    inputs = [torch.empty_like(value) for value in values if isinstance(value, Tensor)]
    # `pre_dispatch` keeps whole what users think of as one function: normalisation, attention.
    # A tensor in a plain attribute is neither parameter nor buffer, hence a constant.
    tracer = make_fx(forward, tracing_mode="fake", pre_dispatch=True, _allow_non_fake_inputs=True)
    with _attributes_kept(module), _quiet(), torch.inference_mode(False), torch.no_grad():
        try:
            program = tracer(*parameters.values(), *buffers.values(), *inputs)
        except Exception as error:
            raise ValueError(_what_stopped(module, error)) from error
    return program, list(parameters), len(buffers)


@contextmanager
def _attributes_kept(module: nn.Module) -> Iterator[None]:
    """Undo assignments of a forward to its modules, which would leave tensors without storage."""
    before = [(child, dict(child.__dict__)) for child in module.modules()]
    try:
        yield
    finally:
        for child, attributes in before:
            child.__dict__.clear()
            child.__dict__.update(attributes)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch from logging the traceback of an error that is raised as well."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


def _what_stopped(module: nn.Module, error: Exception) -> str:
    """One line: which submodule, at which line of whose code, for what reason."""
    names = {id(child): name for name, child in module.named_modules()}
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        owner = next((frame.f_locals.get(name) for name in code.co_varnames[:1]), None)
        if id(owner) in names and hasattr(owner, code.co_name):  # a method of a module
            where = f"{Path(code.co_filename).name}:{line}"
            who = names[id(owner)] or "its forward"
            place = f" {who} ({type(owner).__name__}, {where}) stopped it:"
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    if "value out of a tracing tensor" in reason or "DataDependent" in reason:
        reason = (
            "it turns a tensor into a Python number or a bool, so that its path depends on data"
        )
    return f"module {type(module).__name__} cannot be traced;{place} {reason}"


def _dataflow(
    program: fx.GraphModule, parameters: list[str], buffers: int
) -> "nx.MultiDiGraph[int]":
    """The paths along which the values of the inputs reach the output.

    A call with one data argument and no operation continues its argument's node: that changes no
    path. Tensors are whole: what is written into a slice of a tensor is read with all of it.
    """
    graph: nx.MultiDiGraph[int] = nx.MultiDiGraph()
    node_of: dict[fx.Node, int] = {}
    parameter_of: dict[fx.Node, str] = {}
    writes = _Writes()
    placeholders = 0
    for call in program.graph.nodes:
        if call.op == "placeholder":
            if placeholders < len(parameters):
                parameter_of[call] = parameters[placeholders]
            elif placeholders >= len(parameters) + buffers:
                node_of[call] = _add_node(graph, [])
            placeholders += 1
            continue
        reads = _reads(call)
        factors = [tensor for position, tensor in reads if position in _factor_positions(call)]
        weight = next((parameter_of[tensor] for tensor in factors if tensor in parameter_of), None)
        sources: list[tuple[int, str | None]] = []
        for position, tensor in reads:
            if tensor in node_of:
                label = weight if position in _factor_positions(call) else None
                sources.append((node_of[tensor], label))
            sources += [(node_of[t], None) for t in writes.since(tensor) if t in node_of]
        writes.record(call, [tensor for _, tensor in reads])
        if call.op == "output":
            return _between_ends(graph, sources)
        if _is_zero(call):
            continue
        made_of = [parameter_of[tensor] for _, tensor in reads if tensor in parameter_of]
        if sources:
            _refuse_opaque(call, bool(made_of))
            continues = len(sources) == 1 and sources[0][1] is None
            node_of[call] = sources[0][0] if continues else _add_node(graph, sources)
        elif made_of and _name(call) not in _LAYERS:
            # What a layer makes of learned queries is an activation, no weight.
            parameter_of[call] = made_of[0]
    raise AssertionError("a traced program ends in its output")


class _Writes:
    """Record of values written in place, by memory."""

    def __init__(self) -> None:
        self._written: dict[int, list[tuple[int, list[fx.Node]]]] = {}
        self._time: dict[fx.Node, int] = {}

    def record(self, call: fx.Node, read: list[fx.Node]) -> None:
        self._time[call] = len(self._time)
        if not isinstance(call.target, OpOverload):
            return
        for argument, value in zip(call.target._schema.arguments, call.args, strict=False):
            if argument.is_write and isinstance(value, fx.Node):
                memory = _memory(value)
                # `x[0] += y` ends by writing to a slice what is there already.
                added = [tensor for tensor in read if _memory(tensor) != memory]
                self._written.setdefault(memory, []).append((self._time[call], added))

    def since(self, tensor: fx.Node) -> list[fx.Node]:
        """Return what was written to the memory of `tensor` by another name, after it was named."""
        named = self._time.get(tensor, -1)
        written = self._written.get(_memory(tensor), ())
        return [source for time, added in written if time > named for source in added]


def _memory(tensor: fx.Node) -> int:
    """Equal for views of one tensor: a storage keeps its Python object while a tensor holds it."""
    value = tensor.meta.get("val")
    if isinstance(value, Tensor) and value.layout is torch.strided:
        return id(value.untyped_storage())
    return -1


def _name(call: fx.Node) -> str:
    target = call.target
    return target.overloadpacket.__name__ if isinstance(target, OpOverload) else str(target)


def _factor_positions(call: fx.Node) -> tuple[int, ...]:
    return _FACTORS.get(_name(call).removesuffix("_"), ())


def _is_zero(call: fx.Node) -> bool:
    """Whether the call is a product with the number 0, which lets nothing through."""
    factors = call.args[:2] if _name(call).removesuffix("_") in ("mul", "multiply") else ()
    return any(isinstance(factor, int | float) and factor == 0 for factor in factors)


def _reads(call: fx.Node) -> list[tuple[int, fx.Node]]:
    """(position, tensor) of every argument of which the values matter, not the shape alone."""
    name = _name(call)
    reads: list[tuple[int, fx.Node]] = []
    for position, argument in enumerate((*call.args, call.kwargs)):
        found: list[fx.Node] = []
        fx.map_arg(argument, found.append)
        reads += [(position, tensor) for tensor in found]
    if name.startswith("new_") or name.endswith("_like"):
        return []
    if name.endswith("_as") or str(call.target) == "aten.to.other":
        return reads[:1]
    return reads[1:] if name == "copy_" else reads


def _refuse_opaque(call: fx.Node, has_parameters: bool) -> None:
    """Raise ValueError for a call whose inside nobody can see and that may hold operations."""
    target = call.target
    if _name(call) in _RECURRENT:
        raise ValueError(
            f"module cannot be traced; {target} stopped it: a recurrent layer has as many paths as "
            "its sequence has steps"
        )
    if _name(call) in _RECURRENT_CELLS:
        raise ValueError(
            f"module cannot be traced; {target} stopped it: a recurrent cell hides its operations "
            "in one function; write it with Linear"
        )
    known = not isinstance(target, HigherOrderOperator) and (
        not isinstance(target, OpOverload) or target.namespace in ("aten", "prims")
    )
    # Quantised weights are packed in an object.
    packed = any(str(node.target).startswith("_torchbind_obj") for node in call.all_input_nodes)
    if not known and (has_parameters or packed):
        raise ValueError(
            f"module cannot be traced; {target} stopped it: it takes parameters, and nothing says "
            "whether it is an operation"
        )


def _add_node(graph: "nx.MultiDiGraph[int]", sources: list[tuple[int, str | None]]) -> int:
    """A new node, with an edge from every source: an operation where a parameter is named."""
    node = len(graph)
    graph.add_node(node)
    for source, weight in sources:
        label = "skip" if weight is None else weight.removesuffix(".weight")
        graph.add_edge(source, node, operations=int(weight is not None), label=label)
    return node


def _between_ends(
    graph: "nx.MultiDiGraph[int]", sources: list[tuple[int, str | None]]
) -> "nx.MultiDiGraph[int]":
    """Close the graph with its output, leave out what does not lead there, and merge chains."""
    if not sources:
        raise ValueError("module cannot be traced: no tensor of the example reaches its output")
    output = _add_node(graph, sources)
    leading = {output, *nx.ancestors(graph, output)}
    graph.remove_nodes_from([node for node in graph if node not in leading])
    for node in list(graph):
        if graph.in_degree(node) == graph.out_degree(node) == 1:
            ((source, _, data),) = graph.in_edges(node, data=True)
            ((_, target, onward),) = graph.out_edges(node, data=True)
            if not onward["operations"]:
                graph.remove_node(node)
                graph.add_edge(source, target, **data)
    number = {node: i for i, node in enumerate(graph)}
    inputs = tuple(number[node] for node, degree in graph.in_degree if degree == 0)
    result: nx.MultiDiGraph[int] = nx.MultiDiGraph(inputs=inputs, output=number[output])
    result.add_nodes_from(number.values())
    result.add_edges_from((number[s], number[t], data) for s, t, data in graph.edges(data=True))
    return result
