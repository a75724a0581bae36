"""The hub: checks, logs, adds up and hands on. One program for region, nation and Europe.

A hub is a member of the hub above it. It never writes to a node and never asks a node for anything.
"""
