"""Places for the boxes of a layered drawing (after Sugiyama, Tagawa and Toda, 1981). Knows no graph
of ours: numbers in, numbers out.

1. The layer of a box is its longest way to a result.
2. An arrow over several layers is cut by a dummy box in each.
3. Sweeps put every box near the mean of its neighbours, which removes most crossings.
4. The same, keeping the order, gives coordinates: least squares under "no two overlap".
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

__all__ = ["layered", "spread"]

GAP = 16.0  # between neighbours in a layer
SWEEPS = 12


def layered(
    n: int, edges: Sequence[tuple[int, int]], widths: Sequence[float]
) -> tuple[list[float], list[int], list[list[float]]]:
    """Place n boxes, numbered so that every arrow (a, b) has a < b.

    Returns
    -------
    x of the middle of each box; its layer, 0 for results; for each arrow, its x in every layer it
    touches, from a to b.
    """
    rank = [0] * n
    for a, b in sorted(edges, key=lambda e: -e[1]):  # b is final before it is used
        rank[a] = max(rank[a], rank[b] + 1)
    layer = list(rank)
    size = list(widths)
    chains = []
    for a, b in edges:
        chain = [a]
        for r in range(rank[a] - 1, rank[b], -1):
            chain.append(len(layer))
            layer.append(r)
            size.append(0.0)
        chains.append([*chain, b])
    above: list[list[int]] = [[] for _ in layer]
    below: list[list[int]] = [[] for _ in layer]
    for chain in chains:
        for a, b in pairwise(chain):
            below[a].append(b)
            above[b].append(a)
    rows: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    for i, r in enumerate(layer):
        rows[r].append(i)

    # What nothing leads to (a parameter) gives way to the main line.
    weight = [1.0 if above[i] else 0.05 for i in range(len(layer))]
    x = [0.0] * len(layer)
    for row in rows:
        for k, i in enumerate(row):
            x[i] = k * 50.0
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        order = range(len(rows)) if down else range(len(rows) - 1, -1, -1)
        for r in order:
            near = below if down else above
            wish = {i: _mean(x[i], [(x[j], weight[j]) for j in near[i]]) for i in rows[r]}
            if sweep < SWEEPS - 4:  # the last sweeps keep the order
                rows[r].sort(key=lambda i: wish[i])
            row = rows[r]
            at = spread([wish[i] for i in row], [size[i] for i in row], [weight[i] for i in row])
            for i, place in zip(row, at):
                x[i] = place
    left = min((x[i] - size[i] / 2 for i in range(len(layer))), default=0.0) - 10
    x = [v - left for v in x]
    return x[:n], rank, [[x[i] for i in chain] for chain in chains]


def _mean(default: float, weighted: Sequence[tuple[float, float]]) -> float:
    total = sum(w for _, w in weighted)
    return sum(x * w for x, w in weighted) / total if total else default


def spread(
    wish: Sequence[float], widths: Sequence[float], weights: Sequence[float] | None = None
) -> list[float]:
    """The places nearest to `wish` (weighted least squares), in this order and without overlap.

    With the room that the boxes need subtracted, this is a regression on rising numbers: runs
    that fall are pooled to their mean.
    """
    room = [0.0]
    for a, b in pairwise(widths):
        room.append(room[-1] + (a + b) / 2 + GAP)
    pools: list[tuple[float, float, int]] = []  # mean, weight, count
    for k, (w, r) in enumerate(zip(wish, room)):
        mean, heavy, count = w - r, weights[k] if weights else 1.0, 1
        while pools and pools[-1][0] > mean:
            m, h, c = pools.pop()
            mean, heavy, count = (mean * heavy + m * h) / (heavy + h), heavy + h, count + c
        pools.append((mean, heavy, count))
    flat = [mean for mean, _, count in pools for _ in range(count)]
    return [f + r for f, r in zip(flat, room)]
