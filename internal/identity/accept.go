package identity

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
)

// Accept runs the server's side of the handshake on conn, with a config of [ServerConfig], and returns the
// connection of a node that is known by then. Whether it is let in is for the caller to decide.
//
// A crypto/tls connection holds on to 8 to 11 KB of handshake leftovers. The one returned here takes over its traffic keys and
// lets go of the rest: 0.4 KB. It speaks the same TLS 1.3. Nodes without AES hardware, who negotiate ChaCha20-Poly1305, keep a crypto/tls connection.
//
// Accept blocks until the handshake ends or ctx does. On error it closes conn.
func Accept(ctx context.Context, conn net.Conn, config *tls.Config) (*Conn, error) {
	var log bytes.Buffer
	tickets := uint64(0)
	own := config.Clone()
	own.KeyLogWriter = &log // the public way to the traffic keys; this log goes nowhere
	own.VerifyConnection = verifyNode
	own.WrapSession = func(state tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
		tickets++
		return config.EncryptTicket(state, session)
	}
	secure := tls.Server(&recordReader{Conn: conn}, own)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	c, err := takeOver(secure, conn, log.Bytes())
	if err != nil {
		conn.Close()
		return nil, err
	}
	c.out.sequence = tickets // each ticket was one record under the same key
	return c, nil
}

// takeOver makes a Conn of secure, whose handshake is done, and conn below it.
func takeOver(secure *tls.Conn, conn net.Conn, log []byte) (*Conn, error) {
	state := secure.ConnectionState()
	node, room, err := certified(state.PeerCertificates) // verified by now, or before the session's ticket was made
	if err != nil {
		return nil, err
	}
	c := &Conn{net: conn, node: NodeID(node), room: RoomID(room), resumed: state.DidResume}
	if state.CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
		c.fallback = secure
		return c, nil
	}
	in, out, err := trafficSecrets(log)
	if err != nil {
		return nil, err
	}
	c.in.setSecret(in)
	c.out.setSecret(out)
	return c, nil
}

// trafficSecrets finds the first application secrets of client and server in a key log (the format of NSS).
func trafficSecrets(log []byte) (client, server []byte, err error) {
	for line := range bytes.Lines(log) {
		fields := bytes.Fields(line)
		if len(fields) != 3 {
			continue
		}
		secret, err := hex.DecodeString(string(fields[2]))
		if err != nil {
			return nil, nil, fmt.Errorf("identity: key log: %w", err)
		}
		switch string(fields[0]) {
		case "CLIENT_TRAFFIC_SECRET_0":
			client = secret
		case "SERVER_TRAFFIC_SECRET_0":
			server = secret
		}
	}
	if len(client) != secretSize || len(server) != secretSize {
		return nil, nil, errors.New("identity: handshake left no traffic keys")
	}
	return client, server, nil
}

// A recordReader never reads past the TLS record that it is in, so that the first one behind the
// handshake stays in the socket.
type recordReader struct {
	net.Conn
	header [headerSize]byte
	have   int // bytes of the header read so far
	left   int // bytes of the record's body to come
}

func (r *recordReader) Read(p []byte) (int, error) {
	if r.left > 0 {
		n, err := r.Conn.Read(p[:min(len(p), r.left)])
		r.left -= n
		return n, err
	}
	n, err := r.Conn.Read(p[:min(len(p), headerSize-r.have)])
	copy(r.header[r.have:], p[:n])
	if r.have += n; r.have == headerSize {
		r.have, r.left = 0, int(binary.BigEndian.Uint16(r.header[3:]))
	}
	return n, err
}
