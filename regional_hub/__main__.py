"""`python -m regional_hub`, the same as `regional-hub`."""

from regional_hub.cli import main

if __name__ == "__main__":
    main()
