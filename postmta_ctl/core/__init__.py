"""Pure decisions: values in, values out. No I/O, no clock; ``now``, randomness and keys are arguments."""
