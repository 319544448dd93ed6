"""A Keras model of the user's own: cloned, checked, saved."""
