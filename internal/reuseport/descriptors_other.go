//go:build !unix

package reuseport

import "math"

// Descriptors is how many descriptors this process may have open at a time: here there is no bound.
func Descriptors() int { return math.MaxInt }
