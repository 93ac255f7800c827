"""How good a model is: metrics, intervals, slices, calibration, and the gate's rules."""
