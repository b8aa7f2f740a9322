"""Train a small ConvNet for a few steps under the profiler, and draw how near its ops come to the
machine's limits: `python examples/roofline.py` (needs matplotlib: pip install -e ".[viz]").

Left, the roofline: no op can be above the line, which is the memory's bandwidth times the
operations per byte, up to the peak of the arithmetic. An algorithm that needs fewer operations
than the definition, or data that is still in the caches, can. Right, the ops that only move
memory, the most expensive first.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

import minigrad
from minigrad import nn, optim
from minigrad.nn import functional as F
from minigrad.profiler import EventList, peak, profile, record_function
from minigrad.utils.data import DataLoader
from minigrad.vision import datasets, models, transforms

COLOURS = {
    "convolution": "#4878a8", "conv2d_input_grad": "#d1603d", "conv2d_weight_grad": "#6a9a58",
    "linear": "#8a6fb0", "matmul": "#b0a06f",
}


def main() -> None:
    """Warm up for two steps, so that nothing compiles in the profile, then record."""
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--out", type=Path, default=Path("roofline.png"))
    parser.add_argument("--trace", type=Path, help="write a timeline for ui.perfetto.dev")
    args = parser.parse_args()

    minigrad.manual_seed(0)
    data = datasets.FashionMNISTMini(transform=transforms.ToTensor())
    batches = iter(DataLoader(data, batch_size=args.batch_size, shuffle=True, drop_last=True))
    model = models.vgg_small(in_channels=1, width=16)
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(2):
        step(model, optimizer, *next(batches))
    with profile() as prof:
        for _ in range(args.steps):
            with record_function("data"):
                images, labels = next(batches)
            loss = step(model, optimizer, images, labels)
    print(prof.key_averages().table(sort_by="self_cpu_time_total", row_limit=20))
    print(f"loss {loss:.2f}")

    figure = Figure(figsize=(11, 4.5), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    draw_roofline(left, prof.key_averages(group_by_input_shape=True))
    draw_bandwidths(right, prof.key_averages())
    figure.savefig(args.out)
    print(f"drawn: {args.out}")
    if args.trace is not None:
        prof.export_chrome_trace(args.trace)


def step(
    model: nn.Module, optimizer: optim.Optimizer, images: minigrad.Tensor, labels: minigrad.Tensor
) -> float:
    """One training step; the loss."""
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    return float(loss)


def draw_roofline(ax: Axes, rows: EventList) -> None:
    """GFLOP/s over operations per byte, a circle per layer's op; its area is its share of time."""
    machine = peak()
    products = [r for r in rows if r.flops]
    intensity = [r.flops / r.bytes for r in products]
    ridge = machine.flops / machine.bandwidth
    ends = [min(*intensity, ridge) / 2, max(*intensity, ridge) * 2]
    roof = [min(machine.flops, x * machine.bandwidth) / 1e9 for x in (ends[0], ridge, ends[1])]
    ax.loglog([ends[0], ridge, ends[1]], roof, color="#22303c")
    for name in dict.fromkeys(r.key for r in products):
        own = [(x, r) for x, r in zip(intensity, products) if r.key == name]
        area = [20 + 1500 * r.self_cpu_time_total / rows.wall for _, r in own]
        ax.scatter(
            [x for x, _ in own], [r.gflops for _, r in own], area, label=name, alpha=0.7,
            color=COLOURS.get(name, "#8a97a3"),
        )
    ax.set_xlabel("floating-point operations per byte of memory")
    ax.set_ylabel("GFLOP/s")
    ax.set_title(f"{machine.flops / 1e9:.0f} GFLOP/s, {machine.bandwidth / 1e9:.0f} GB/s at most")
    for handle in ax.legend(loc="lower right").legend_handles:
        handle.set_sizes([30])  # else each name would show the size of its first circle


def draw_bandwidths(ax: Axes, rows: EventList) -> None:
    """GB/s of the ops that move memory, beside that of copying."""
    moving = [r for r in rows if r.bytes and not r.flops]
    moving = sorted(moving, key=lambda r: -r.self_cpu_time_total)[:12][::-1]
    ax.barh([r.key for r in moving], [r.bandwidth for r in moving], color="#8a97a3")
    ax.axvline(peak().bandwidth / 1e9, color="#22303c")
    ax.set_xlabel("GB/s; the line is copying a large array")
    ax.set_title("ops that move memory")


if __name__ == "__main__":
    main()
