"""Will this flight arrive more than 15 minutes late? Plain PyTorch, called by trainshed without importing it."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
import yardstick
from network import DelayNetwork
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits


def train(run: Any) -> nn.Module:
    """Return the network as it was after its best epoch on the validation rows."""
    params, device = run.params, torch.device(run.device)
    # All rows fit on the device, so they go there once and batches are picked by index.
    x, y = (torch.from_numpy(array).to(device) for array in run.data.train.tensors())
    held_x, held_y = (torch.from_numpy(array).to(device) for array in run.data.validation.tensors())

    model = DelayNetwork(
        run.data.numeric,
        list(run.data.categories.values()),
        members=params.members,
        width=params.width,
        embedding=params.embedding,
        input_dropout=params.input_dropout,
        code_dropout=params.code_dropout,
    ).to(device)
    members = torch.compile(model.members) if params.compile else model.members
    optimizer = torch.optim.AdamW(weight_groups(model, params.weight_decay), lr=params.lr)
    batches = math.ceil(len(x) / params.batch_size)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, params.lr, total_steps=params.epochs * batches)
    mixed = torch.autocast(device.type, torch.bfloat16, enabled=params.bf16 and device.type == "cuda")

    first, best = 0, {"auroc": 0.0, "epoch": -1, "weights": copy.deepcopy(model.state_dict())}
    if state := run.restore():  # what the last checkpoint kept, if this run was interrupted
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
        set_chance(state["chance"])
        first, best = state["epoch"] + 1, state["best"]

    for epoch in range(first, params.epochs):
        if run.should_stop or epoch - best["epoch"] > params.patience:
            break
        model.train()
        since, total = torch.zeros((), device=device), torch.zeros((), device=device)
        for batch, rows in enumerate(torch.randperm(len(x), device=device).split(params.batch_size), start=1):
            with mixed:
                logits = members(x[rows])
            loss = binary_cross_entropy_with_logits(logits.float(), y[rows].expand_as(logits))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            since += loss.detach()
            if batch % params.log_every == 0:  # reading a value waits for the device, so not at every step
                run.log({"step/loss": since / params.log_every}, step=epoch * batches + batch)
                run.progress(epoch + batch / batches, params.epochs, f"epoch {epoch + 1} of {params.epochs}")
                total, since = total + since, torch.zeros_like(since)
        step = (epoch + 1) * batches
        logits = predict(model, held_x)
        auroc = area_under_roc(logits, held_y)
        run.log(
            {
                "train/loss": (total + since) / batches,
                "val/loss": binary_cross_entropy_with_logits(logits, held_y),
                "val/auroc": auroc,
                "lr": scheduler.get_last_lr()[0],
            },
            step=step,
        )
        if auroc > best["auroc"]:
            best = {"auroc": auroc, "epoch": epoch, "weights": copy.deepcopy(model.state_dict())}
        run.checkpoint(
            {
                "epoch": epoch,
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "scheduler": scheduler.state_dict(),
                "chance": chance(),
                "best": best,
            },
            step=step,
        )

    model.load_state_dict(best["weights"])
    return model


def evaluate(predict: Any, data: Any) -> dict[str, float]:
    """Metrics of this problem's own on the test rows, and scikit-learn's figures on the same rows beside them."""
    x, y = data.test.tensors()
    riskiest = np.argsort(predict(x))[-len(x) // 10 :]
    return {"late among the riskiest 10%": float(y[riskiest].mean()), **yardstick.figures(data)}


def weight_groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weights are pulled towards zero; biases are not."""
    named = list(model.named_parameters())
    return [
        {"params": [weight for name, weight in named if "bias" not in name], "weight_decay": decay},
        {"params": [weight for name, weight in named if "bias" in name], "weight_decay": 0.0},
    ]


@torch.inference_mode()
def predict(model: nn.Module, x: Tensor) -> Tensor:
    """The model's logits [n], in float32 and without dropout."""
    model.eval()
    return torch.cat([model(rows) for rows in x.split(16384)])


def area_under_roc(scores: Tensor, truth: Tensor) -> float:
    """How often a positive row outranks a negative one, ties counting half. `truth` is 0 or 1."""
    _, places, counts = torch.unique(scores, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum(0) - (counts - 1) / 2).double()[places]  # equal scores share their mean rank
    positives = truth.double().sum()
    negatives = len(truth) - positives
    won = (ranks * truth).sum() - positives * (positives + 1) / 2
    return float(won / (positives * negatives))


def chance() -> dict[str, Any]:
    """The state of torch's random numbers, so that a resumed run goes on as if nothing had happened."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []}


def set_chance(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["cpu"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
