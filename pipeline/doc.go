// Package pipeline moves graphs from sources through a scorer into sinks.
package pipeline
