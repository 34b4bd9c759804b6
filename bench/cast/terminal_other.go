//go:build !linux

package main

import (
	"context"
	"errors"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// A terminal is Linux's.
type terminal struct{}

func open(context.Context, *natlab.Host, string, string, string, string) (*terminal, error) {
	return nil, errors.ErrUnsupported
}

func (*terminal) text() string       { return "" }
func (*terminal) await(string) error { return errors.ErrUnsupported }
func (*terminal) close()             {}
