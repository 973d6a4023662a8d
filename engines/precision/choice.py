"""Which nodes may compute in 16 bits: products, and what lies between two of them."""

from __future__ import annotations

from engines.precision.graph import View
from engines.precision.kinds import Half

#: Where the arithmetic is: what 16 bits are for.
PRODUCTS = frozenset({"Conv", "ConvTranspose", "MatMul", "Gemm"})
_ARITHMETIC = frozenset({"Add", "Sub", "Mul", "Div", "Neg", "Max", "Min", "Where"})
_ACTIVATIONS = frozenset(
    {"Clip", "Relu", "LeakyRelu", "PRelu", "Elu", "Gelu", "HardSigmoid", "HardSwish", "Sigmoid", "Tanh", "Erf"}
)
_POOLS = frozenset({"AveragePool", "MaxPool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax"})
_SHAPES = frozenset({"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Expand", "Tile", "DepthToSpace"})
_MOVES = _SHAPES | {"Pad", "Concat", "Slice", "Split", "Gather", "Identity"}
#: Engines accumulate these in float32 whatever comes in; torch in half precision does the same. Measured on a ViT-B/16
#: with random weights: noise of 2.3e-6 of the tokens' variance and 3 casts, against 1.0e-6 and 50 with
#: LayerNormalization in float32.
_NORMS = frozenset({"LayerNormalization", "BatchNormalization", "InstanceNormalization", "Softmax"})
_BETWEEN = _ARITHMETIC | _ACTIVATIONS | _POOLS | _MOVES | _NORMS
#: What these say of a tensor is the same for either type.
BLIND = frozenset({"Shape", "Size", "IsNaN", "IsInf"})


def chosen(view: View, half: Half) -> frozenset[int]:
    """Places of the nodes to compute in `half`.

    A product with a weight is chosen; one of two activations where at least one comes from chosen nodes. What lies
    between is chosen when all that reaches it does, and when it leads to another product: sigmoids, softmaxes and what
    else ends a graph stay in float32. So do constants too large or too small for the type, and spectra: whatever a
    logarithm rests on, as small values matter there as much as great ones. (Not beyond an exponential: the logarithm
    of a sum of exponentials is no more delicate than a maximum.) What rests on constants alone, such as a look-up in a
    table, follows those who read it. What rests on shapes alone is like a constant: attention that divides by the root
    of a size it asks for is in 16 bits, too.
    """
    return _useful(view, *_possible(view, half))


def _possible(view: View, half: Half) -> tuple[set[int], set[int]]:
    """Nodes that all in 16 bits reaches, and nodes that could give either type."""
    logarithms = [place for place, node in enumerate(view.nodes) if node.op_type == "Log"]
    spectra = view.above(logarithms, until="Exp")
    sized = _sized(view)
    firm, free = set[int](), set[int]()
    for place, node in enumerate(view.nodes):
        if place in spectra or not all(half.holds(constant) for constant in view.stored(node)):
            continue
        if node.op_type == "Cast" and view.types[node.input[0]] in half.exact and view.floats(node.output):
            free.add(place)
        makers = [view.makers.get(name, -1) for name in view.media(node)]
        makers = [maker for maker in makers if maker not in sized]
        if node.op_type in PRODUCTS:
            if view.stored(node) or firm.intersection(makers):
                firm.add(place)
        elif node.op_type in _BETWEEN and view.floats(node.output) and (firm | free).issuperset(makers):
            (firm if firm.intersection(makers) else free).add(place)
    return firm, free


def _sized(view: View) -> set[int]:
    """Nodes that rest on shapes and constants alone."""
    sized = set[int]()
    for place, node in enumerate(view.nodes):
        given = [name for name in node.input if name and name not in view.constants]
        if node.op_type in ("Shape", "Size") or (given and all(view.makers.get(name, -1) in sized for name in given)):
            sized.add(place)
    return sized


def _useful(view: View, firm: set[int], free: set[int]) -> frozenset[int]:
    """Of what could be in 16 bits, what leads to a product that is."""
    useful = set[int]()
    for place in reversed(range(len(view.nodes))):
        node = view.nodes[place]
        readers = [
            reader
            for name in view.floats(node.output)
            for reader in view.readers.get(name, [])
            if view.nodes[reader].op_type not in BLIND
        ]
        is_read = bool(useful.intersection(readers))
        if place in firm and (node.op_type in PRODUCTS or is_read):
            useful.add(place)
        if place in free and is_read and useful.issuperset(readers) and view.outputs.isdisjoint(node.output):
            useful.add(place)
    return frozenset(useful)
