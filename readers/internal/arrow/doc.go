// Package arrow decodes the columns of Arrow IPC files and streams, a few rows at a time: framing.go finds the
// messages, flatbuffer.go reads what they say, column.go and leaf.go decode lists and values from the buffers of
// a record batch, buffer.go reads one of those. Package readers says why they are not read by a library.
package arrow
