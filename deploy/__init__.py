"""How to run it: the demo federation, and samples for real installations."""
