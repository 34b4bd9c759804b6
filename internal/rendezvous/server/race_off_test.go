//go:build !race

package server_test

// raceDetector tells that everything takes ten times as long.
const raceDetector = false
