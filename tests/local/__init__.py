"""Tests of the local stack: each part against fakes, then the whole of it as a newcomer runs it."""
