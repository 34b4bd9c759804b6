package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"
)

// writeSize is what the sender hands over at once, and what the receiver asks for.
const writeSize = 128 << 10

// transferConfig is that of a sender or receiver.
type transferConfig struct {
	Contestant string        `json:"contestant"`
	Address    string        `json:"address"` // where the receiver listens
	Invite     string        `json:"invite"`
	Name       string        `json:"name"`
	Target     dialTarget    `json:"target"` // whom the sender dials
	Longest    time.Duration `json:"longest_ns"`
}

// moved is one side's account of a transfer.
type moved struct {
	Bytes int64         `json:"bytes"`
	Took  time.Duration `json:"took_ns"` // at the receiver, from the first byte to the last
	CPU   time.Duration `json:"cpu_ns"`  // of this process, user and system
}

// receiver plays the end that reads.
func receiver(ctx context.Context, config json.RawMessage, r *roleIO) error {
	var c transferConfig
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	who, err := contestantNamed(c.Contestant)
	if err != nil {
		return err
	}
	at, accept, stop, err := who.listen(ctx, c)
	if err != nil {
		return err
	}
	defer stop()
	r.emit(evReady, "", at)
	s, err := accept()
	if err != nil {
		return err
	}
	defer s.Close()
	m, err := receive(s)
	if err != nil {
		return err
	}
	r.emit(evMoved, "", m)
	<-ctx.Done() // so that the sender reads the answer
	return nil
}

// receive reads to the end, and answers with one byte.
func receive(s stream) (moved, error) {
	buffer := make([]byte, writeSize)
	n, err := s.Read(buffer)
	if err != nil {
		return moved{}, err
	}
	began, cpu := time.Now(), cpuTime()
	total := int64(n)
	for err == nil {
		n, err = s.Read(buffer)
		total += int64(n)
	}
	m := moved{Bytes: total, Took: time.Since(began), CPU: cpuTime() - cpu}
	if !errors.Is(err, io.EOF) {
		return m, err
	}
	_, err = s.Write([]byte{1})
	return m, err
}

// sender plays the end that writes.
func sender(ctx context.Context, config json.RawMessage, r *roleIO) error {
	var c transferConfig
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	who, err := contestantNamed(c.Contestant)
	if err != nil {
		return err
	}
	s, stop, err := who.dial(ctx, c)
	if err != nil {
		return err
	}
	defer stop()
	defer s.Close()
	m, err := send(s, c.Longest)
	if err != nil {
		return err
	}
	r.emit(evMoved, "", m)
	return nil
}

// send writes as long as it may, and waits for the answer.
func send(s stream, longest time.Duration) (moved, error) {
	buffer := make([]byte, writeSize)
	began, cpu := time.Now(), cpuTime()
	var total int64
	for total < transferBytes && time.Since(began) < longest {
		n, err := s.Write(buffer)
		total += int64(n)
		if err != nil {
			return moved{}, err
		}
	}
	if err := s.CloseWrite(); err != nil {
		return moved{}, err
	}
	_, err := io.ReadFull(s, buffer[:1])
	return moved{Bytes: total, Took: time.Since(began), CPU: cpuTime() - cpu}, err
}
