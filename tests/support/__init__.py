"""Shared by the tests of several folders: databases, a builder of rows, fake Lambda events."""
