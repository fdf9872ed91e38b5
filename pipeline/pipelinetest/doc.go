// Package pipelinetest has fakes of sources, scorers and sinks, and the suites that every real one must pass.
package pipelinetest
