"""Traffic shaping automation: rules for KumoMTA's TSA daemons, and what the daemons decided."""
