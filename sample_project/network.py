"""The model: many small networks over shared embeddings, trained as one and averaged."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Members(nn.Module):
    """A linear layer for each of `members` networks at once: [members, n, inputs] → [members, n, outputs]."""

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return torch.matmul(x, self.weight) + self.bias


class DelayNetwork(nn.Module):
    """Logits that a flight arrives late, from the encoded matrix x [n, columns].

    Some eight months hold few storms, and sixty flights share the weather of each of their hours: one network learns
    those days by heart. So there are `members` small ones, none of which may rely on a single column.

    Args:
        numeric: how many leading columns are numbers; the others are codes of categories, 0 for one never seen.
        categories: the number of codes of each categorical column.
        members, width: how many networks, and how wide their two hidden layers are.
        embedding: the most dimensions that a category gets.
        dropout: share of hidden units left out in training.
        input_dropout: share of numbers set to their mean in training.
        code_dropout: share of codes set to 0 in training, which is how code 0 learns to mean "some other".
    """

    def __init__(
        self,
        numeric: int,
        categories: list[int],
        *,
        members: int,
        width: int,
        embedding: int,
        dropout: float,
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
            nn.Dropout(dropout),
            Members(members, width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            Members(members, width, 1),
        )

    def members(self, x: Tensor) -> Tensor:
        """Each member's logits, [members, n]: every one of them is trained on the loss of its own."""
        numbers, codes = x[:, : self.numeric], x[:, self.numeric :].long()
        if self.training:
            numbers = numbers * (torch.rand_like(numbers) >= self.input_dropout)
            codes = codes * (torch.rand_like(x[:, self.numeric :]) >= self.code_dropout)
        parts = [table(codes[:, place]) for place, table in enumerate(self.embeddings)]
        return self.layers(torch.cat([numbers, *parts], dim=1)).squeeze(-1)

    def forward(self, x: Tensor) -> Tensor:
        """The members' mean logit, [n]."""
        return self.members(x).mean(dim=0)
