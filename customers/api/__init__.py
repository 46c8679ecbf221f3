"""People and conversations over REST."""
