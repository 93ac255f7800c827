"""A trained model becomes one ONNX from raw columns, with a signature, checked and timed."""
