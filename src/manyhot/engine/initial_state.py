"""Where the members of a chunk begin: weights, optimizer variables, shuffles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from manyhot.backend import keras
from manyhot.engine.embedding_bags import init_table
from manyhot.engine.ensemble import NetworkFactory
from manyhot.engine.job import TrainingJob
from manyhot.engine.optimizers import place_of_decay
from manyhot.engine.state import State
from manyhot.gc_pause import pause_gc


def initial_state(
    job: TrainingJob,
    networks: NetworkFactory,
    first: keras.Model,
    members: Sequence[int],
    optimizer: keras.optimizers.Optimizer,
) -> State:
    """The first state of some members, stacked.

    `first` is the network of member 0, which is built already; `optimizer` has taken no step yet.
    """
    with pause_gc():
        initial_weights = [_initial_weights(job, networks, first, k) for k in members]
    trainable, fixed = (
        [np.stack(leaves) for leaves in zip(*one, strict=True)] for one in zip(*initial_weights, strict=True)
    )
    n_stacked, config = len(members), job.config
    tables = dict(zip(networks.tables, trainable, strict=False))
    trainable = trainable[len(tables) :]
    keys = [
        np.random.SeedSequence([config.random_state, 1, job.number(k)]).generate_state(2, np.uint32) for k in members
    ]
    stores_best = config.early_stopping
    return State(
        trainable,
        fixed,
        _initial_slots(job, members, optimizer),
        list(trainable) if stores_best else [],
        list(fixed) if stores_best else [],
        np.full(n_stacked, np.inf, config.dtype),
        np.zeros(n_stacked, np.int32),
        np.zeros(n_stacked, np.int32),
        np.zeros(n_stacked, bool),
        np.stack(keys),
        {name: init_table(table, max(1, len(networks.table_parts))) for name, table in tables.items()},
        tables if stores_best else {},
    )


def _initial_slots(job: TrainingJob, members: Sequence[int], optimizer: keras.optimizers.Optimizer) -> list[np.ndarray]:
    """The optimizer's variables, each member's with its own weight decay."""
    values = [np.asarray(variable.value) for variable in optimizer.variables]
    slots = [np.broadcast_to(value, (len(members), *value.shape)) for value in values]
    place = place_of_decay(optimizer)
    if place is not None:
        slots[place] = np.array([job.config_of(k).weight_decay for k in members], values[place].dtype)
    return slots


def _initial_weights(
    job: TrainingJob, networks: NetworkFactory, first: keras.Model, member: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    if job.start is not None:
        return [leaf[member] for leaf in job.start.trainable], [leaf[member] for leaf in job.start.fixed]
    model = first if member == 0 else networks.build(member)
    tables = networks.init_tables(member) if networks.init_tables is not None else {}
    return (
        [*tables.values(), *(np.asarray(variable.value) for variable in model.trainable_variables)],
        [np.asarray(variable.value) for variable in model.non_trainable_variables],
    )
