"""Small files of every kind of model, and what they answered on the day they were written."""
