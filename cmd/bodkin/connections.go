package main

import (
	"errors"
	"strconv"
)

// maxConnections is the most that --connections takes.
const maxConnections = 8

// A connectionsFlag is --connections; zero if it was not given.
type connectionsFlag int

func (f *connectionsFlag) String() string { return strconv.Itoa(int(*f)) }

// Type is shown by --help.
func (f *connectionsFlag) Type() string { return "number" }

// Set takes the flag's value.
func (f *connectionsFlag) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil {
		return errConnections
	}
	return f.set(n)
}

var errConnections = errors.New("want 1 to " + strconv.Itoa(maxConnections))

func (f *connectionsFlag) set(n int) error {
	if n < 1 || n > maxConnections {
		return errConnections
	}
	*f = connectionsFlag(n)
	return nil
}
