"""A PyTorch loop on sparse rows: EmbeddingBag with SparseAdam, fused Adam for the rest, batches cut from CSR arrays."""

import time

import numpy as np
import torch
from sparse_common import arguments, rows, tell

options = arguments()
torch.manual_seed(0)
X, Y = rows(options.folder, "train")


class Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bag = torch.nn.EmbeddingBag(X.shape[1], options.units, mode="sum", sparse=True)
        torch.nn.init.normal_(self.bag.weight, std=options.units**-0.5)
        self.bias = torch.nn.Parameter(torch.zeros(options.units))
        self.out = torch.nn.Linear(options.units, Y.shape[1])

    def forward(self, columns: torch.Tensor, starts: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        return self.out(torch.relu(self.bag(columns, starts, per_sample_weights=values) + self.bias))


network = Network()
sparse = torch.optim.SparseAdam([network.bag.weight], lr=options.rate)
dense = torch.optim.Adam([network.bias, *network.out.parameters()], lr=options.rate, fused=True)
loss_of = torch.nn.BCEWithLogitsLoss()


def batch(X, chosen: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    part = X[chosen]
    return (
        torch.from_numpy(part.indices.astype(np.int64)),
        torch.from_numpy(part.indptr[:-1].astype(np.int64)),
        torch.from_numpy(part.data),
    )


def epoch(generator: np.random.Generator) -> None:
    order = generator.permutation(len(Y))
    for first in range(0, len(Y), options.batch):
        chosen = order[first : first + options.batch]
        sparse.zero_grad(set_to_none=True)
        dense.zero_grad(set_to_none=True)
        loss = loss_of(network(*batch(X, chosen)), torch.from_numpy(Y[chosen].astype(np.float32)))
        loss.backward()
        sparse.step()
        dense.step()


epoch(np.random.default_rng(0))  # not counted: allocations
network.__init__()
sparse = torch.optim.SparseAdam([network.bag.weight], lr=options.rate)
dense = torch.optim.Adam([network.bias, *network.out.parameters()], lr=options.rate, fused=True)
generator = np.random.default_rng(1)
began = time.perf_counter()
for _ in range(options.epochs):
    epoch(generator)
seconds = time.perf_counter() - began
X_test, Y_test = rows(options.folder, "test")
with torch.no_grad():
    scores = torch.sigmoid(network(*batch(X_test, np.arange(len(Y_test))))).numpy()
tell(seconds, len(Y), options.epochs, scores, Y_test)
