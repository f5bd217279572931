"""The SDK. Standard library only, Python 3.9 and later: it runs in the user's interpreter, container and cluster."""
