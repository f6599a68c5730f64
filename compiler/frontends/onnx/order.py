"""Nodes in an order in which every value is there before it is read."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from onnx import AttributeProto, GraphProto, NodeProto


def in_order(nodes: Sequence[NodeProto]) -> tuple[list[NodeProto], list[NodeProto]]:
    """
    The nodes, sorted; the file's order is kept where it is possible.

    Returns:
        The sorted nodes, and the nodes of one cycle when there is any. Nodes of a cycle
        and what depends on them are not among the sorted ones.
    """
    producer = {o: i for i, node in enumerate(nodes) for o in node.output if o}
    waits_for = [
        {producer[name] for name in reads(node) if name in producer} for node in nodes
    ]
    readers: list[list[int]] = [[] for _ in nodes]
    for index, others in enumerate(waits_for):
        for other in others:
            readers[other].append(index)
    missing = [len(others) for others in waits_for]
    ready = [i for i, count in enumerate(missing) if not count]
    heapq.heapify(ready)
    done: list[int] = []
    while ready:
        index = heapq.heappop(ready)
        done.append(index)
        for reader in readers[index]:
            missing[reader] -= 1
            if not missing[reader]:
                heapq.heappush(ready, reader)
    cycle = [] if len(done) == len(nodes) else _cycle(waits_for, set(done))
    return [nodes[i] for i in done], [nodes[i] for i in cycle]


def needed(nodes: Sequence[NodeProto], outputs: Sequence[str]) -> list[NodeProto]:
    """The nodes that `outputs` depend on, in the order given."""
    producer = {o: i for i, node in enumerate(nodes) for o in node.output if o}
    pending = [producer[name] for name in outputs if name in producer]
    found: set[int] = set()
    while pending:
        index = pending.pop()
        if index not in found:
            found.add(index)
            pending += [producer[n] for n in reads(nodes[index]) if n in producer]
    return [nodes[i] for i in sorted(found)]


def reads(node: NodeProto) -> Iterator[str]:
    """Names a node reads, also inside its subgraphs from the graph around it."""
    yield from filter(None, node.input)
    for graph in subgraphs(node):
        yield from captured(graph)


def captured(graph: GraphProto) -> Iterator[str]:
    """Names a subgraph takes from the graphs around it."""
    own = {t.name for t in graph.initializer} | {i.name for i in graph.input}
    own |= {s.values.name for s in graph.sparse_initializer}
    own |= {o for node in graph.node for o in node.output}
    for node in graph.node:
        yield from (name for name in reads(node) if name not in own)
    yield from (o.name for o in graph.output if o.name not in own)


def subgraphs(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs in a node's attributes."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def _cycle(waits_for: Sequence[set[int]], done: set[int]) -> list[int]:
    """Follow what is waited for until a node comes a second time."""
    index = next(i for i in range(len(waits_for)) if i not in done)
    path: dict[int, None] = {}
    while index not in path:
        path[index] = None
        index = min(waits_for[index] - done)
    order = list(path)
    return order[order.index(index) :][::-1]
