"""The products everything refers to."""
