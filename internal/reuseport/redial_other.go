//go:build !linux

package reuseport

import (
	"context"
	"syscall"
)

// watch sees nothing: no other system tells.
func (c *crossing) watch(context.Context, syscall.RawConn) {}
