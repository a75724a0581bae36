"""The demo: nine real processes on this machine, with real figures of six German cities."""
