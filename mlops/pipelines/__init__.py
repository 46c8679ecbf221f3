"""How data flows: sources, landing, stages, the runner, the task door."""
