"""
Train the digit network of this folder and write it as ONNX, with its held-out digits.

Needs PyTorch and scikit-learn; nothing else in the project does:

    pip install torch scikit-learn
    python examples/train_digits.py

The data are scikit-learn's 1 797 handwritten digits, 8x8 pixels of 0 to 16. One in five
is held out: the network never sees it while it learns. The ONNX file is written from the
weights, node by node, with the batch normalisations kept for the compiler to fold.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional

HERE = Path(__file__).parent
EPOCHS = 90
GRAY_LEVELS = 16.0
NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


class DigitNet(nn.Module):
    """Three 3x3 convolutions with batch normalisation, two poolings, one classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.conv3, self.norm3 = nn.Conv2d(32, 48, 3, padding=1), nn.BatchNorm2d(48)
        self.classifier = nn.Linear(48 * 2 * 2, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = functional.relu(self.norm1(self.conv1(image)))
        x = functional.max_pool2d(functional.relu(self.norm2(self.conv2(x))), 2)
        x = functional.max_pool2d(functional.relu(self.norm3(self.conv3(x))), 2)
        return self.classifier(functional.dropout(x.flatten(1), 0.3, self.training))


def moved(images: Tensor) -> Tensor:
    """The images, each turned, scaled and shifted a little at random."""
    count = len(images)
    angle = torch.empty(count).uniform_(-0.2, 0.2)
    scale = torch.empty(count).uniform_(0.9, 1.12)
    transform = torch.zeros(count, 2, 3)
    transform[:, 0, 0] = transform[:, 1, 1] = angle.cos() * scale
    transform[:, 0, 1] = -angle.sin() * scale
    transform[:, 1, 0] = angle.sin() * scale
    transform[:, :, 2].uniform_(-0.22, 0.22)
    grid = functional.affine_grid(transform, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False)


def train(network: DigitNet, images: Tensor, labels: Tensor) -> None:
    """Fit the network with AdamW under one cosine of learning rates."""
    optimizer = torch.optim.AdamW(network.parameters(), 4e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    network.train()
    for epoch in range(EPOCHS):
        total = 0.0
        for batch in torch.randperm(len(images)).split(64):
            answers = network(moved(images[batch]))
            loss = functional.cross_entropy(
                answers, labels[batch], label_smoothing=0.05
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        schedule.step()
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1:3}  loss {total / len(images):.4f}")
    network.eval()


def to_onnx(network: DigitNet) -> onnx.ModelProto:
    """The trained network as an ONNX model with input `image` and output `digit`."""
    weights = {name: value.numpy() for name, value in network.state_dict().items()}

    def conv(number: int, source: str) -> list[onnx.NodeProto]:
        norm = [f"norm{number}.{part}" for part in ("weight", "bias", "running_mean")]
        layers = [f"conv{number}", f"norm{number}", f"relu{number}"]
        parameters = [f"conv{number}.weight", f"conv{number}.bias"]
        return [
            helper.make_node(
                "Conv", [source, *parameters], layers[:1], layers[0], pads=[1] * 4
            ),
            helper.make_node(
                "BatchNormalization",
                [layers[0], *norm, f"norm{number}.running_var"],
                layers[1:2],
                layers[1],
                epsilon=1e-5,
            ),
            helper.make_node("Relu", layers[1:2], layers[2:], layers[2]),
        ]

    def pool(number: int, source: str) -> onnx.NodeProto:
        size = {"kernel_shape": [2, 2], "strides": [2, 2]}
        name = f"pool{number}"
        return helper.make_node("MaxPool", [source], [name], name, **size)

    classifier = ["classifier.weight", "classifier.bias"]
    nodes = [
        *conv(1, "image"),
        *conv(2, "relu1"),
        pool(2, "relu2"),
        *conv(3, "pool2"),
        pool(3, "relu3"),
        helper.make_node("Flatten", ["pool3"], ["features"], "flatten"),
        helper.make_node(
            "Gemm", ["features", *classifier], ["scores"], "classifier", transB=1
        ),
        helper.make_node("Softmax", ["scores"], ["digit"], "softmax", axis=1),
    ]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("digit", TensorProto.FLOAT, [1, 10])],
        [numpy_helper.from_array(v, k) for k, v in weights.items() if k in used],
        "Reads a handwritten digit: 8x8 grey values from 0 to 1.",
    )
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    model.producer_name = "ovc examples/train_digits.py"
    onnx.checker.check_model(model, full_check=True)
    return model


def write_held_out(images: np.ndarray, labels: np.ndarray) -> None:
    """The held-out digits as one .npz, and the first of each kind as a PNG."""
    folder = HERE / "digits"
    folder.mkdir(exist_ok=True)
    np.savez_compressed(
        folder / "held_out.npz",
        images=images.astype(np.uint8),
        labels=labels.astype(np.uint8),
    )
    for digit in range(10):
        first = images[int(np.argmax(labels == digit))]
        pixels = np.rint(first * (255 / GRAY_LEVELS)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{digit}.png")
    (folder / "labels.txt").write_text("\n".join(NAMES) + "\n")


def main() -> None:
    torch.manual_seed(7)
    torch.set_num_threads(1)
    digits = load_digits()
    train_x, test_x, train_y, test_y = train_test_split(
        digits.images,
        digits.target,
        test_size=0.2,
        stratify=digits.target,
        random_state=0,
    )
    network = DigitNet()
    as_tensor = torch.tensor(train_x[:, None] / GRAY_LEVELS, dtype=torch.float32)
    train(network, as_tensor, torch.tensor(train_y))

    held_out = torch.tensor(test_x[:, None] / GRAY_LEVELS, dtype=torch.float32)
    with torch.no_grad():
        right = int((network(held_out).argmax(1).numpy() == test_y).sum())
    print(f"held out: {right} of {len(test_y)} right, {right / len(test_y):.2%}")
    if right < 0.98 * len(test_y):
        raise SystemExit("less than 98 % right: nothing was written")

    onnx.save(to_onnx(network), HERE / "digits.onnx")
    write_held_out(test_x, test_y)


if __name__ == "__main__":
    main()
