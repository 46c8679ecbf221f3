"""What is known of the world outside, as data."""
