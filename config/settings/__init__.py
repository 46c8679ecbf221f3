"""Settings, one subject a file; dev, test and production say which subjects and what differs."""
