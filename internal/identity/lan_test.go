package identity

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"testing"
)

func TestBeaconsAreReadByMembersAndTellOthersNothing(t *testing.T) {
	room, other := newRoom(t), newRoom(t)
	id := newKey(t).NodeID()
	first, second := room.SealBeacon(id, []byte("hello")), room.SealBeacon(id, []byte("hello"))
	if len(first) != len("hello")+BeaconOverhead {
		t.Errorf("%d bytes", len(first))
	}
	if bytes.Equal(first[:12], second[:12]) || bytes.Equal(first[12:], second[12:]) || bytes.Contains(first, id[:8]) {
		t.Error("two beacons of a node look alike")
	}
	who, plain, err := room.OpenBeacon(first)
	if who != id || string(plain) != "hello" || err != nil {
		t.Errorf("opened: %v, %q, %v", who, plain, err)
	}
	damaged := bytes.Clone(first)
	damaged[20] ^= 1
	for name, row := range map[string]struct {
		room   Room
		sealed []byte
	}{
		"another room": {other, first},
		"damaged":      {room, damaged},
		"cut":          {room, first[:40]},
		"empty":        {room, nil},
		"a profile":    {room, room.Seal(id, bytes.Repeat([]byte{1}, 64))},
		"no id":        {room, room.beacons().Seal(nil, nil, []byte("short"), nil)},
	} {
		if _, _, err := row.room.OpenBeacon(row.sealed); !errors.Is(err, ErrBeacon) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestALocalAttemptIsKnownByItsCalleeAlone(t *testing.T) {
	room, other := newRoom(t), newRoom(t)
	ada, ben := newKey(t).NodeID(), newKey(t).NodeID()
	id := room.LocalAttempt(ben)
	if !room.IsLocalAttempt(id, ben) {
		t.Error("the callee does not know it")
	}
	if room.IsLocalAttempt(id, ada) || other.IsLocalAttempt(id, ben) || room.IsLocalAttempt([16]byte{}, ben) {
		t.Error("taken by somebody whom it is not for")
	}
	if id == room.LocalAttempt(ben) {
		t.Error("two attempts have one id")
	}
}

func TestMembersAreAcceptedAndNobodyElse(t *testing.T) {
	room, other := newRoom(t), newRoom(t)
	ada, ben := newKey(t), newKey(t)
	for name, row := range map[string]struct {
		key  Key
		room Room
		want error
	}{
		"member":       {ada, room, nil},
		"another room": {ada, other, ErrWrongRoom},
		"itself":       {ben, room, ErrWrongPeer},
	} {
		near, far := net.Pipe()
		config, err := newConfig(row.key, row.room.signer, PeerProtocol) // which takes anybody for the other end
		if err != nil {
			t.Fatal(err)
		}
		client := tls.Client(near, config)
		go func() {
			client.Handshake()
			client.Read(make([]byte, 1))
		}()
		accept, err := MemberConfig(ben, room)
		if err != nil {
			t.Fatal(err)
		}
		server := tls.Server(far, accept)
		if err := server.Handshake(); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		} else if id, _, _ := Authenticated(server.ConnectionState()); err == nil && id != ada.NodeID() {
			t.Errorf("%s: it is %v", name, id)
		}
		near.Close()
		far.Close()
	}
}
