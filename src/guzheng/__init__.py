"""固证 guzheng: the open evidence platform.

Read ARCHITECTURE.md for the map and docs/road.md for what happens to one photograph.
"""
