//go:build race

package bodkin_test

// raceDetector tells that the race detector runs, which slows arithmetic many times.
const raceDetector = true
