package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/natlab"
	"github.com/bodkin-p2p/bodkin/server"
)

// bodkinInvite is what a node needs, and what the server says when it is ready.
type bodkinInvite struct {
	Invite string `json:"invite"`
	Name   string `json:"name,omitempty"`
}

// bodkinServerConfig tells the server its address, and a folder of its own.
type bodkinServerConfig struct {
	Address string `json:"address"`
	Home    string `json:"home"`
}

// startBodkinServer starts the rendezvous server on a host that has the first of publicAddrs. The caller must call stop,
// which removes what the server wrote.
func startBodkinServer(ctx context.Context, host *natlab.Host) (invite bodkinInvite, stop func(), err error) {
	home, err := os.MkdirTemp("", "bodkin-peers")
	if err != nil {
		return invite, nil, err
	}
	p, err := startRole(ctx, host, "bodkin-server", bodkinServerConfig{Address: publicAddrs[0], Home: home})
	stop = func() {
		p.stop()
		os.RemoveAll(home)
	}
	if err == nil {
		_, err = p.await(ctx, evReady, &invite)
	}
	if err != nil {
		stop()
	}
	return invite, stop, err
}

// bodkinServer plays the rendezvous server.
func bodkinServer(ctx context.Context, config json.RawMessage, io *roleIO) error {
	var c bodkinServerConfig
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	s, err := server.Open(server.Config{Home: c.Home, Advertise: []string{c.Address}})
	if err != nil {
		return err
	}
	invite, err := s.Invite(server.DefaultRoom)
	if err != nil {
		return err
	}
	io.emit(evReady, "", bodkinInvite{Invite: invite.String()})
	return s.Serve(ctx)
}

// joinBodkin makes a node.
func joinBodkin(ctx context.Context, c bodkinInvite) (*bodkin.Node, error) {
	invite, err := bodkin.ParseInvite(c.Invite)
	if err != nil {
		return nil, err
	}
	return bodkin.Join(ctx, bodkin.Config{Invite: invite, Name: c.Name})
}

// bodkinNode plays a node. An order is the name of a node to dial.
func bodkinNode(ctx context.Context, config json.RawMessage, io *roleIO) error {
	var c bodkinInvite
	if err := json.Unmarshal(config, &c); err != nil {
		return err
	}
	node, err := joinBodkin(ctx, c)
	if err != nil {
		return err
	}
	defer node.Close()
	listener, err := node.Listen("bench")
	if err != nil {
		return err
	}
	defer listener.Close()
	io.emit(evReady, "", dialTarget{Name: c.Name})
	for order := range io.orders {
		var to dialTarget
		if err := json.Unmarshal(order, &to); err != nil {
			return err
		}
		io.emit(evDialing, "", nil)
		conn, err := node.Dial(ctx, to.Name, "bench")
		if err != nil {
			io.emit(evEnded, err.Error(), nil)
			continue
		}
		if conn.Path().Kind == bodkin.Relayed {
			io.emit(evRelayed, "", nil)
			awaitDirect(ctx, conn)
		}
		io.emit(evDirect, conn.Path().Candidate, nil)
	}
	return nil
}

// awaitDirect returns when a relayed stream has moved to a direct path, to the millisecond.
func awaitDirect(ctx context.Context, conn *bodkin.Conn) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for conn.Path().Kind != bodkin.Direct {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
