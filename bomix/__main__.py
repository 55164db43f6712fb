"""``python -m bomix``: the command line."""

from bomix.cli.main import main

if __name__ == "__main__":
    main()
