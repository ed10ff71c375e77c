"""Workspace groups."""
