"""The published stream: the relay that writes it to Kafka, and the consumers and tools that read it."""
