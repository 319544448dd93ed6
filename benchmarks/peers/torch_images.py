"""A PyTorch loop on images as one writes it by hand: tensors in memory, fused Adam; one epoch before the timed ones."""

import images_common as common
import torch

options = common.arguments()
torch.manual_seed(0)
layout = torch.channels_last if options.channels_last else torch.contiguous_format
X, Y = (torch.from_numpy(array) for array in common.rows(options.folder, "train", options.rows))
X = X.permute(0, 3, 1, 2).contiguous(memory_format=layout)


def fresh() -> tuple:
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, common.FILTERS, 3),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(13 * 13 * common.FILTERS, common.UNITS),
        torch.nn.ReLU(),
        torch.nn.Linear(common.UNITS, common.LABELS),
    ).to(memory_format=layout)
    for parameter in network.parameters():  # as Keras begins
        (torch.nn.init.xavier_uniform_ if parameter.ndim > 1 else torch.nn.init.zeros_)(parameter)
    return network, torch.optim.Adam(network.parameters(), lr=common.RATE, fused=True)


network, optimizer = fresh()
called = torch.compile(network) if options.compiled else network
loss_of = torch.nn.BCEWithLogitsLoss()


def epoch() -> None:
    order = torch.randperm(len(X))
    for first in range(0, len(X), common.BATCH):
        chosen = order[first : first + common.BATCH]
        optimizer.zero_grad(set_to_none=True)
        loss_of(called(X[chosen]), Y[chosen]).backward()
        optimizer.step()


epoch()
begun, _ = fresh()
network.load_state_dict(begun.state_dict())
optimizer = torch.optim.Adam(network.parameters(), lr=common.RATE, fused=True)
clock = common.Clock()
for _ in range(options.epochs):
    epoch()
seconds = clock.read()
X_test, Y_test = common.rows(options.folder, "t10k")
with torch.no_grad():
    scores = torch.sigmoid(network(torch.from_numpy(X_test).permute(0, 3, 1, 2)))
common.tell(seconds, len(Y), options, scores.numpy(), Y_test)
