"""The training of this project: plain PyTorch, without an import of trainshed."""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def load(path):
    """An image file → float32 [1, height, width], 0 to 1. Called once a file; every image must have the same size."""
    path = Path(path)
    if path.suffix == ".pgm":
        magic, size, _, pixels = path.read_bytes().split(b"\n", 3)
        assert magic == b"P5", f"{path} is not a binary PGM"
        width, height = map(int, size.split())
        image = np.frombuffer(pixels, dtype=np.uint8).reshape(height, width)
    else:
        from PIL import Image  # PNG, JPEG …: pip install pillow

        image = np.asarray(Image.open(path).convert("L").resize((64, 64)))
    return image[None].astype(np.float32) / 255


class Network(nn.Module):
    """Three small convolutions, an average over the image, one linear layer."""

    def __init__(self, classes, channels):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(channels, 2 * channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(2 * channels, 4 * channels, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4 * channels, classes),
        )

    def forward(self, x):
        return self.layers(x)


def train(run):
    """Called by trainshed: `run` has the data, the params and the device; the model returned is packaged."""
    data, params, device = run.data, run.params, run.device
    x, y = (torch.as_tensor(part, device=device) for part in data.train.tensors())
    vx, vy = (torch.as_tensor(part, device=device) for part in data.validation.tensors())
    binary = data.task == "binary"
    model = Network(1 if binary else len(data.classes), params.channels).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=params.lr)
    start = 0

    state = run.restore()  # what run.checkpoint kept, if this run was interrupted
    if state is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["epoch"] + 1

    def loss_of(output, truth):
        if binary:
            return functional.binary_cross_entropy_with_logits(output[:, 0], truth)
        return functional.cross_entropy(output, truth)

    for epoch in range(start, params.epochs):
        model.train()
        total = 0.0
        for rows in torch.randperm(len(x), device=device).split(params.batch_size):
            loss = loss_of(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        model.eval()
        with torch.no_grad():
            output = model(vx)
            found = (output[:, 0] > 0).float() if binary else output.argmax(dim=1)
        run.log(
            {
                "train/loss": total / len(x),
                "validation/loss": loss_of(output, vy).item(),
                "validation/accuracy": (found == vy).float().mean().item(),
            },
            step=epoch,
        )
        run.progress(epoch + 1, params.epochs, f"epoch {epoch + 1}/{params.epochs}")
        run.checkpoint({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, step=epoch)
        if run.should_stop:
            break
    return model
