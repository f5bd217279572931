"""The SDK. Standard library only, Python 3.9 and later: it runs in the user's interpreter, container and cluster.

What every run imports (``bootstrap`` and below) imports little: not even ``typing``, which takes half as long as the
start of an interpreter. Hence ``TYPE_CHECKING = False``, which type checkers read as true.
"""
