"""Faults that implementers really make, one by one, over the fixture plugin in plain Python."""
