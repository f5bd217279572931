"""Stores of MLflow that runs and models are brought in from; one file a kind."""
