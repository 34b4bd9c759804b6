package record

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
)

// A Channel is a connection after its handshake. Its halves are independent of each other.
type Channel struct {
	In  Receiver
	Out Sender
}

// Server makes the handshake of a TLS server on conn and takes the connection over. It blocks; a deadline on conn stops
// it. It has then read not one byte behind the handshake. On an error the caller closes conn, else it uses conn with the
// Channel alone.
//
// config must ask for TLS 1.3 and not hand out other configurations (GetConfigForClient). Sessions are resumed only with ticket
// keys that were set (SetSessionTicketKeys): those that crypto/tls makes by itself are in a copy of config, for this handshake.
func Server(conn net.Conn, config *tls.Config) (*Channel, tls.ConnectionState, error) {
	state, secrets, sent, err := handshake(context.Background(), conn, config, tls.Server)
	if err != nil {
		return nil, state, err
	}
	channel, err := takeOver(state.CipherSuite, secrets.client, secrets.server, sent)
	return channel, state, err
}

type role func(net.Conn, *tls.Config) *tls.Conn

func handshake(ctx context.Context, conn net.Conn, config *tls.Config, as role) (tls.ConnectionState, keyLog, []byte, error) {
	var secrets keyLog
	if config.GetConfigForClient != nil || config.MinVersion < tls.VersionTLS13 {
		return tls.ConnectionState{}, secrets, nil, errors.New("record: configuration does not ask for TLS 1.3, or has GetConfigForClient")
	}
	config = config.Clone()
	config.KeyLogWriter = &secrets
	seam := &seam{Conn: conn}
	session := as(seam, config)
	if err := session.HandshakeContext(ctx); err != nil {
		return tls.ConnectionState{}, secrets, nil, err
	}
	return session.ConnectionState(), secrets, seam.sent, nil
}

func takeOver(suite uint16, in, out, sent []byte) (*Channel, error) {
	var channel Channel
	var err error
	if channel.In.keys, err = newKeys(suite, in); err != nil {
		return nil, err
	}
	if channel.Out.keys, err = newKeys(suite, out); err != nil {
		return nil, err
	}
	return &channel, channel.Out.skip(sent)
}

// skip counts the records that crypto/tls has already sealed with the keys of s: session tickets, in the first flight or
// in the second, as it sees fit. They are the ones in sent that those keys open, so nothing here depends on what it did.
func (s *Sender) skip(sent []byte) error {
	aead, err := s.keys.aead()
	if err != nil {
		return err
	}
	for len(sent) >= headerLen {
		n := headerLen + int(binary.BigEndian.Uint16(sent[3:]))
		if n > len(sent) {
			break
		}
		probe := s.keys
		if _, _, err := probe.open(aead, sent[:n:n]); err == nil {
			s.keys.sequence = probe.sequence
		}
		sent = sent[n:]
	}
	return nil
}

// A keyLog takes the traffic secrets from Config.KeyLogWriter, whose lines are "label client-random secret", in hexadecimal.
type keyLog struct{ client, server []byte }

func (k *keyLog) Write(line []byte) (int, error) {
	fields := strings.Fields(string(line))
	if len(fields) != 3 {
		return 0, fmt.Errorf("record: key log line of %d fields", len(fields))
	}
	secret, err := hex.DecodeString(fields[2])
	if err != nil {
		return 0, fmt.Errorf("record: key log: %w", err)
	}
	switch fields[0] {
	case "CLIENT_TRAFFIC_SECRET_0":
		k.client = secret
	case "SERVER_TRAFFIC_SECRET_0":
		k.server = secret
	}
	return len(line), nil
}

// A seam is the connection under a handshake. It never lets crypto/tls read ahead into the next record, which would
// be lost when it is left behind, and notes what it sends.
type seam struct {
	net.Conn
	header []byte // of the record being read, as far as it has come
	rest   int    // bytes of the record being read that have not come
	sent   []byte
}

func (s *seam) Read(p []byte) (int, error) {
	if s.rest > 0 {
		n, err := s.Conn.Read(p[:min(len(p), s.rest)])
		s.rest -= n
		return n, err
	}
	n, err := s.Conn.Read(p[:min(len(p), headerLen-len(s.header))])
	s.header = append(s.header, p[:n]...)
	if len(s.header) == headerLen {
		s.rest = int(binary.BigEndian.Uint16(s.header[3:]))
		s.header = s.header[:0]
	}
	return n, err
}

func (s *seam) Write(p []byte) (int, error) {
	s.sent = append(s.sent, p...)
	return s.Conn.Write(p)
}
