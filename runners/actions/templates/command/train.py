"""A training program that knows nothing of trainshed but a few environment variables."""

import argparse
import json
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

options = argparse.ArgumentParser()
options.add_argument("--lr", type=float, required=True)
options.add_argument("--epochs", type=int, required=True)
args = options.parse_args()

data, out = Path(os.environ["TRAINSHED_DATA"]), Path(os.environ["TRAINSHED_OUT"])
torch.manual_seed(int(os.environ.get("TRAINSHED_SEED", "0")))
x, y = (torch.from_numpy(np.load(data / "train" / f"{name}.npy")) for name in ("x", "y"))
vx, vy = (torch.from_numpy(np.load(data / "validation" / f"{name}.npy")) for name in ("x", "y"))

model = nn.Linear(x.shape[1], 1)
optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
with Path(os.environ["TRAINSHED_METRICS"]).open("a", encoding="utf-8", buffering=1) as metrics:
    for epoch in range(args.epochs):
        loss = functional.binary_cross_entropy_with_logits(model(x)[:, 0], y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            validation = functional.binary_cross_entropy_with_logits(model(vx)[:, 0], vy)
        metrics.write(
            json.dumps({"step": epoch, "train/loss": loss.item(), "validation/loss": validation.item()}) + "\n"
        )

# The model takes the encoded matrix and gives logits; trainshed adds the encoding before it and the sigmoid after it.
torch.onnx.export(
    model.eval(),
    (x[:2],),
    str(out / "model.onnx"),
    input_names=["x"],
    output_names=["logit"],
    dynamic_axes={"x": {0: "n"}, "logit": {0: "n"}},
    dynamo=False,
)
print(f"trained for {args.epochs} epochs, validation loss {validation.item():.4f}")
