"""Endpoints that answer elsewhere: replicas of mlbox in containers, made from a bundle that this home hands out."""
