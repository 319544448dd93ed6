"""Reports and images for people to look at."""
