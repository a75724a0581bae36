"""The node's pages in Chromium: every screen, as the people see it who work with it."""
