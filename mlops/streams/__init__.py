"""Event streams: event types, decoding, intake, consumer, publisher, dead letters, replay."""
