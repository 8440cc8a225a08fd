"""Projector: applies events to read models, live, catching up and rebuilding, and quarantines failing streams."""
