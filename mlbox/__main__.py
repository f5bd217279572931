"""``python -m mlbox``."""

from mlbox.cli.main import run

if __name__ == "__main__":
    run()
