"""REST API of biometrics."""
