"""The pages that both programs stand on: the gate, the way in, one's own account, the accounts, and how it all looks.

A program gives a `site.Program` and its groups of screens. Nothing here knows which program it is.
"""
