//go:build !race

package punch

// tolerated is what a step may take of the model.
const tolerated = 1.10
