"""Everything that talks to Kafka; no other room imports `confluent_kafka`."""
