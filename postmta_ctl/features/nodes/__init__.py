"""KumoMTA nodes."""
