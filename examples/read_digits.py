"""
Read handwritten digits with the network of this folder, on the CPU and through OpenCL.

The digits are those that the network never saw while it was trained (`train_digits.py`).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import ovc
from rich.console import Console
from rich.table import Table
from rich.text import Text

HERE = Path(__file__).parent
SHADES = " ░▒▓█"
SHOWN = 8


def drawing(image: np.ndarray) -> Text:
    """A digit in block characters; two columns a pixel, so that it looks square."""
    levels = image.astype(int) * (len(SHADES) - 1) // int(image.max())
    return Text("\n".join("".join(SHADES[v] * 2 for v in row) for row in levels))


def read(compiled: ovc.CompiledModel, images: np.ndarray) -> tuple[np.ndarray, float]:
    """Scores `[digits, 10]`, and milliseconds a digit."""
    start = time.perf_counter()
    scores = [compiled([image[None, None]])[0][0] for image in images]
    return np.stack(scores), (time.perf_counter() - start) / len(images) * 1e3


def main() -> int:
    console = Console(width=None if sys.stdout.isatty() else 100)
    with np.load(HERE / "digits" / "held_out.npz") as held_out:
        pixels, labels = held_out["images"], held_out["labels"]
    images = (pixels / 16).astype(np.float32)

    scores: dict[str, np.ndarray] = {}
    summary = Table(title="Reading held-out handwritten digits", title_justify="left")
    for column in ("device", "compiled in", "right", "accuracy", "a digit takes"):
        summary.add_column(column, justify="left" if column == "device" else "right")
    for device in ("CPU", "GPU"):
        start = time.perf_counter()
        compiled = ovc.compile_model(HERE / "digits.onnx", device)
        seconds = time.perf_counter() - start
        scores[device], milliseconds = read(compiled, images)
        right = int((scores[device].argmax(1) == labels).sum())
        summary.add_row(
            device,
            f"{seconds:.2f} s",
            f"{right} of {len(labels)}",
            f"{right / len(labels):.2%}",
            f"{milliseconds:.3f} ms",
        )

    answers = {device: s.argmax(1) for device, s in scores.items()}
    examples = Table(title="Some of them", title_justify="left", show_lines=True)
    for column in ("image", "label", "CPU says", "GPU says"):
        examples.add_column(column, justify="left" if column == "image" else "right")
    for i in range(SHOWN):
        said = [f"{answers[d][i]} ({scores[d][i].max():.1%})" for d in ("CPU", "GPU")]
        examples.add_row(drawing(pixels[i]), str(labels[i]), *said)

    console.print(examples)
    console.print(summary)
    same = int((answers["CPU"] == answers["GPU"]).sum())
    difference = float(np.abs(scores["CPU"] - scores["GPU"]).max())
    console.print(
        f"CPU and GPU agree on {same} of {len(labels)} digits; their scores differ by at "
        f"most {difference:.1e}.",
        highlight=False,
    )
    accuracies = [float((a == labels).mean()) for a in answers.values()]
    return 0 if min(accuracies) >= 0.98 and same == len(labels) else 1


if __name__ == "__main__":
    sys.exit(main())
