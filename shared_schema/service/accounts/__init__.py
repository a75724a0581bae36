"""Who gets in, the same for both programs: accounts, sessions, second factors, invitations, tokens for scripts.

A program brings its rows (`rows`), its audit log, and what an account is there; `door.Door` puts the rest around them.
"""
