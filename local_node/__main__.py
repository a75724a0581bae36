"""`python -m local_node`, the same as `local-node`."""

from local_node.cli import main

if __name__ == "__main__":
    main()
