"""The operator's scenarios: what the policy must do with certain messages, kept with it and run before each release."""
