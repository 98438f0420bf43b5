"""What a run does, in a process of its own: out of the tables into arrays, and back. Needs the extra `predict`."""
