package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/internal/control"
)

// offerService is what bodkin up tells a peer on which services are for it.
const offerService = "services"

const (
	maxOffered     = 256 // names told of
	maxOfferText   = 128 << 10
	offerTime      = 5 * time.Second // for an answer, and for the question at the answering side
	maxOfferGuests = 16              // who are answered at a time
)

// offered is what a peer is told: one JSON object, and then the end.
type offered struct {
	Services []string `json:"services"`
}

// isOwn tells whether a service is one of bodkin's own commands, which are not told of.
func isOwn(service string) bool {
	return slices.Contains([]string{offerService, benchService, chatService, receiveService}, service) || strings.HasPrefix(service, "send/")
}

// offers tells which services the peer of a stream may use, by name: those of the node, and those of commands.
func (s *serving) offers(stream control.Stream) []string {
	s.mu.Lock()
	var names []string
	for name, v := range s.services {
		if v.now.Load().allows(stream) {
			names = append(names, name)
		}
	}
	s.mu.Unlock()
	names = slices.DeleteFunc(append(names, s.ledger.Listening()...), isOwn)
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), maxOffered)]
}

// serveOffers answers who asks, until the listener is closed.
func serveOffers(ctx context.Context, l control.Listener, offers func(control.Stream) []string) {
	var guests sync.WaitGroup
	defer guests.Wait()
	places := make(chan bool, maxOfferGuests)
	for {
		stream, err := l.Accept()
		if err != nil {
			return
		}
		select {
		case places <- true:
		default:
			stream.Refuse("too many ask at once")
			continue
		}
		guests.Go(func() {
			defer func() { <-places }()
			defer stream.Close()
			defer context.AfterFunc(ctx, func() { stream.Abort() })()
			stream.SetDeadline(time.Now().Add(offerTime))
			names := offers(stream)
			if names == nil {
				names = []string{}
			}
			json.NewEncoder(stream).Encode(offered{names}) // who does not read it does not have it
		})
	}
}

// errOfferSpoken tells that a peer answers something else.
var errOfferSpoken = errors.New("what it tells of its services is not understood")

// askOffers asks a peer which services are for this machine. The error is bodkin.ErrServiceUnknown if it does not tell.
func askOffers(ctx context.Context, node control.Node, peer string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, offerTime)
	defer cancel()
	stream, err := node.Dial(ctx, peer, offerService)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	defer context.AfterFunc(ctx, func() { stream.Abort() })()
	text, err := io.ReadAll(io.LimitReader(stream, maxOfferText))
	if err != nil {
		return nil, err
	}
	return parseOffers(text)
}

// parseOffers reads what a peer has told, which may be anything.
func parseOffers(text []byte) ([]string, error) {
	var told offered
	if err := json.Unmarshal(text, &told); err != nil || told.Services == nil {
		return nil, errOfferSpoken
	}
	if len(told.Services) > maxOffered {
		return nil, fmt.Errorf("%w: %d services", errOfferSpoken, len(told.Services))
	}
	for _, name := range told.Services {
		if bodkin.CheckService(name) != nil {
			return nil, fmt.Errorf("%w: %q is no service", errOfferSpoken, name)
		}
	}
	return told.Services, nil
}
