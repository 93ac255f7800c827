"""The training of this project: plain PyTorch, without an import of trainshed."""

import copy
import math

import torch
from torch import nn
from torch.nn import functional


class Network(nn.Module):
    """Embeddings of the categorical columns beside the numeric ones, then two hidden layers."""

    def __init__(self, numeric, categories, outputs, width, shift=0.0, scale=1.0):
        super().__init__()
        self.numeric = numeric
        self.embeddings = nn.ModuleList(nn.Embedding(codes, min(16, 2 + codes // 2)) for codes in categories)
        inputs = numeric + sum(embedding.embedding_dim for embedding in self.embeddings)
        self.layers = nn.Sequential(
            nn.Linear(inputs, width),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, outputs),
        )
        self.register_buffer("shift", torch.tensor(float(shift)))  # of a regression: its target in its own unit
        self.register_buffer("scale", torch.tensor(float(scale)))

    def forward(self, x):
        codes = x[:, self.numeric :].long()
        parts = [x[:, : self.numeric], *(embed(codes[:, i]) for i, embed in enumerate(self.embeddings))]
        return self.layers(torch.cat(parts, dim=1)) * self.scale + self.shift


def loss_of(task, output, y, scale):
    if task == "multiclass":
        return functional.cross_entropy(output, y)
    if task == "binary":
        return functional.binary_cross_entropy_with_logits(output[:, 0], y)
    return functional.mse_loss(output[:, 0] / scale, y / scale)


def train(run):
    """Called by trainshed: `run` has the data, the params and the device; the model returned is packaged."""
    data, params, device = run.data, run.params, run.device
    x, y = (torch.as_tensor(part, device=device) for part in data.train.tensors())
    vx, vy = (torch.as_tensor(part, device=device) for part in data.validation.tensors())
    regression = data.task == "regression"
    shift, scale = (y.mean().item(), y.std().item() or 1.0) if regression else (0.0, 1.0)
    outputs = len(data.classes) if data.task == "multiclass" else 1
    model = Network(data.numeric, list(data.categories.values()), outputs, params.width, shift, scale).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=params.lr, weight_decay=1e-3)
    best, best_state, start = math.inf, copy.deepcopy(model.state_dict()), 0

    state = run.restore()  # what run.checkpoint kept, if this run was interrupted
    if state is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        best, best_state, start = state["best"], state["best_model"], state["epoch"] + 1

    for epoch in range(start, params.epochs):
        model.train()
        total = 0.0
        for rows in torch.randperm(len(x), device=device).split(params.batch_size):
            loss = loss_of(data.task, model(x[rows]), y[rows], scale)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        model.eval()
        with torch.no_grad():
            validation = loss_of(data.task, model(vx), vy, scale).item()
        if validation < best:
            best, best_state = validation, copy.deepcopy(model.state_dict())
        run.log({"train/loss": total / len(x), "validation/loss": validation}, step=epoch)
        run.progress(epoch + 1, params.epochs, f"epoch {epoch + 1}/{params.epochs}")
        run.checkpoint(
            {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "best": best,
                "best_model": best_state,
                "epoch": epoch,
            },
            step=epoch,
        )
        if run.should_stop:
            break
    model.load_state_dict(best_state)
    return model
