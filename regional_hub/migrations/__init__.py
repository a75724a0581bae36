"""The schema of the hub, revision by revision: expand first, contract later."""
