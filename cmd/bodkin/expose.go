package main

import (
	"net"
	"strings"
)

// An exposure is a TCP service that this machine can reach, under a name in the room.
type exposure struct {
	service string
	address string // host:port
}

// parseExposures reads the values of --expose.
func parseExposures(texts []string) ([]exposure, error) {
	var all []exposure
	for _, text := range texts {
		service, address, _ := strings.Cut(text, "=")
		_, port, err := net.SplitHostPort(address)
		if service == "" || err != nil || port == "" {
			return nil, misuse("for example --expose ssh=localhost:22", "--expose %s: want NAME=HOST:PORT", text)
		}
		all = append(all, exposure{service, address})
	}
	return all, nil
}
