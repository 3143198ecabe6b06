"""Station 2, fix (固化)."""
