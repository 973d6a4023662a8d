"""What TensorRT engines stand on: the device, compiled plans, their buckets and how tensors come and go."""
