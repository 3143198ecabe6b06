"""Shares (分享): links by which somebody without an account sees what was shared, for a time."""
