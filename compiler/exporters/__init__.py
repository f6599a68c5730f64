"""Networks as files for others: ONNX, and IR text with safetensors."""
