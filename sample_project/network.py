"""The model: many small networks over shared embeddings, trained as one and averaged."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Members(nn.Module):
    """A linear layer for each of several networks: [n, inputs] or [members, n, inputs] → [members, n, outputs]."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return torch.matmul(x, self.weight) + self.bias


class DelayNetwork(nn.Module):
    """Logits that a flight arrives late, from the encoded matrix x [n, columns].

    Eight months hold few storms, and some sixty flights share the weather of each hour: one large network learns those
    days by heart. So there are several small ones, and in training none may rely on a single column.

    Args:
        numeric: how many leading columns are numbers; the others are codes of categories, 0 for one never seen.
        categories: the number of codes of each categorical column.
        members, width: how many networks, and how wide their two hidden layers are.
        embedding: the most dimensions that a category gets.
        input_dropout: share of numbers set to their mean in training.
        code_dropout: share of codes set to 0 in training, which is how code 0 learns to mean "some other".
    """

    FAR = 3.0  # standard deviations: a cloudburst is thirty, and counts as far out, no more

    def __init__(
        self,
        numeric: int,
        categories: list[int],
        *,
        members: int,
        width: int,
        embedding: int,
        input_dropout: float,
        code_dropout: float,
    ) -> None:
        super().__init__()
        self.numeric = numeric
        self.input_dropout = input_dropout
        self.code_dropout = code_dropout
        self.embeddings = nn.ModuleList(nn.Embedding(codes, min(embedding, (codes + 1) // 2)) for codes in categories)
        for table in self.embeddings:
            nn.init.normal_(table.weight, std=0.1)
        inputs = numeric + sum(table.embedding_dim for table in self.embeddings)
        self.layers = nn.Sequential(
            Members(members, inputs, width),
            nn.ReLU(),
            Members(members, width, width),
            nn.ReLU(),
            Members(members, width, 1),
        )

    def members(self, x: Tensor) -> Tensor:
        """Each member's logits, [members, n]; each is trained on its own loss."""
        numbers, codes = x[:, : self.numeric].clamp(-self.FAR, self.FAR), x[:, self.numeric :]
        if self.training:
            numbers = numbers * (torch.rand_like(numbers) >= self.input_dropout)
            codes = codes * (torch.rand_like(codes) >= self.code_dropout)
        parts = [table(codes[:, place].long()) for place, table in enumerate(self.embeddings)]
        return self.layers(torch.cat([numbers, *parts], dim=1)).squeeze(-1)

    def forward(self, x: Tensor) -> Tensor:
        """The members' mean logit, [n]."""
        return self.members(x).mean(dim=0)
