"""Where the executable starts."""

from multiprocessing import freeze_support

if __name__ == "__main__":
    freeze_support()
    from mlbox.cli.main import run

    run()
