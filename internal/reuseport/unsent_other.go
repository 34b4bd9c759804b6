//go:build !linux

package reuseport

import "syscall"

func limitUnsent(syscall.RawConn, int) error { return nil }
