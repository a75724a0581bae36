"""Sealed totals: what a city and two hubs agree on, so that a sum is read and no city's figures are.

A city's counts leave as two halves, each sealed to one hub of two different operators (`vdaf` makes the halves). Each
hub adds up what both have accepted, adds its own noise, and only both sums together say anything
(`docs/sealed_totals.md`).

Rules of this package: it opens nothing, reads no clock and draws no random number. Keys, seeds, times and facts are
handed in, so that every byte can be made again after a crash.
"""
