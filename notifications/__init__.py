"""Who is told: events (also the audit trail), channels, deliveries, metrics."""
