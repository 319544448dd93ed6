"""The model of very many labels."""
