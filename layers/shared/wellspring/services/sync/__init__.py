"""Applying sync messages, releasing parked ones, by themselves and by hand (contract, section 5)."""
