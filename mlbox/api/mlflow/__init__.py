"""The tracking, registry and artifact API of MLflow (REST 2.0), so that its clients work unchanged.

Each module adds its calls to ``door.CALLS``; ``routes`` serves them. What is logged lands in the tables of runs,
artifacts and models like everything else. The calls are described in MLflow's REST API reference.
"""
