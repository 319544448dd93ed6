"""The trained model, and every way to make or change one."""
