"""The demo: twelve real processes on this machine, with real figures of nine German municipalities."""
