//go:build race

package punch

// tolerated is what a step may take of the model: the race detector makes TLS slow.
const tolerated = 1.35
