package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// roleCommand is the first argument of a process of this program that plays a role on a host.
const roleCommand = "role"

// warmUp is how long bytes flow before they count.
const warmUp = time.Second

// pieceSize is what is written and read at once.
const pieceSize = 128 << 10

// An account is what the sink has measured.
type account struct {
	Bytes int64         `json:"bytes"`
	Time  time.Duration `json:"time"`
}

// play plays a role until it is ended.
func play(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "stun":
		return serveSTUN(args[1:]...)
	case len(args) == 3 && args[0] == "sink":
		d, err := time.ParseDuration(args[2])
		if err != nil {
			return err
		}
		return sink(args[1], d)
	case len(args) == 2 && args[0] == "source":
		return source(args[1])
	}
	return errors.New("roles are for the program itself")
}

// sink takes all that comes over the first connection that brings something, and says what it took in so much time.
func sink(address string, d time.Duration) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	buffer := make([]byte, pieceSize)
	take := func(until time.Time) (total int64, err error) {
		for time.Now().Before(until) && err == nil {
			var n int
			n, err = conn.Read(buffer)
			total += int64(n)
		}
		return total, err
	}
	if _, err := conn.Read(buffer); err != nil {
		return err
	}
	if _, err := take(time.Now().Add(warmUp)); err != nil {
		return err
	}
	fmt.Println("counting")
	began := time.Now()
	n, err := take(began.Add(d))
	if err != nil {
		return err
	}
	json.NewEncoder(os.Stdout).Encode(account{n, time.Since(began)})
	_, err = io.Copy(io.Discard, conn)
	return err
}

// source writes until nobody takes it any more.
func source(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	for piece := make([]byte, pieceSize); ; {
		if _, err := conn.Write(piece); err != nil {
			return err
		}
	}
}
