"""The same questions for every implementation of a contract."""
