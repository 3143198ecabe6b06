"""Station 4, certify (出证)."""
