"""Multi-label classification with neural networks: honest, fast, one safe file."""
