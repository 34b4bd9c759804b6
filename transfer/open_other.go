//go:build !unix

package transfer

// nonblock makes opening return at once where a file has become a named pipe, which it cannot here.
const nonblock = 0
