//go:build !linux

package reuseport

import "syscall"

func counted(syscall.RawConn) (Counts, bool) { return Counts{}, false }
