"""The node's pages: what came, what waits, what to do next. Rendered here, without a script, for this machine only."""
