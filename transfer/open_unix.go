//go:build unix

package transfer

import "syscall"

// nonblock makes opening return at once where a file has become a named pipe.
const nonblock = syscall.O_NONBLOCK
