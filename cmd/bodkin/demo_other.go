//go:build !linux

package main

import "github.com/bodkin-p2p/bodkin/natlab"

// newLabStage fails: network namespaces are Linux's.
func newLabStage() (stage, error) { return nil, natlab.ErrUnavailable }
