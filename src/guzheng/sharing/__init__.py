"""Shares (分享): links by which others see what was shared, for a time."""
