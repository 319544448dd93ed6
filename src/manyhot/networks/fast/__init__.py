"""Keras layers that do the same work quicker on a CPU."""
