package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/sockerr"
)

// unreachable tells what to look at when a server was not reached. Of several addresses that failed it goes by the first.
func unreachable(err error) (hint string) {
	var notTLS tls.RecordHeaderError
	var name *net.DNSError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, bodkin.ErrWrongServer):
		return "the invite is for another server, or the server's keys were lost: ask for a new invite"
	case errors.As(err, &notTLS):
		return "something else answers there: is the address right, and the port that of --main?"
	case errors.As(err, &name):
		return "is this machine online, and is that name right?"
	case sockerr.IsUnreachable(err):
		return "is this machine online? There is no way from here to that address"
	case sockerr.IsRefused(err):
		return "is `bodkin server` running there, and on this port?"
	case sockerr.IsCut(err):
		return "something else answers there, or a firewall in between ends it: is the port that of --main?"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "does a firewall, here or there, keep that port shut? Where only 443 is let out: `bodkin server --main :443`"
	}
	return "is `bodkin server` running there, and does its firewall let that port in?"
}
