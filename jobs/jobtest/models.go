package jobtest

// NoTensors is a model.safetensors without tensors, for a model folder that is read and never scored with.
func NoTensors() []byte { return []byte("\x02\x00\x00\x00\x00\x00\x00\x00{}") }
