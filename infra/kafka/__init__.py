"""The published stream: what goes to Kafka, and what is read from it."""
