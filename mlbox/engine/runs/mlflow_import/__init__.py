"""``CREATE PROJECT p FROM 'mlflow+…'``: what a store of MLflow holds becomes runs and models of a project.

A run keeps its id, and so does a logged model: what has come before is recognized, and is not brought again. A run that
had not ended the last time is brought anew.
"""
