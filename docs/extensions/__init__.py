"""What the site generates from the code, so that it cannot differ from it."""
