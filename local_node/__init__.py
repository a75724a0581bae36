"""The local node: a city's own program. It keeps the city's records and releases what two people have agreed to.

`docs/data_flow.md` names the modules in the order in which data travels through them.
"""
