package record

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Conn is a connection after its handshake, for much data: it opens records into the memory that it is given, seals them straight into
// what goes to the socket, and reads and writes many at once. crypto/tls makes a system call for each record of 16 KiB, and copies
// once more on either side.
//
// It holds both expanded ciphers, and large buffers only while bytes flow. Its methods are as safe for concurrent use as those of a
// [net.Conn], but for Cork and Uncork, which belong to whoever writes.
type Conn struct {
	net.Conn
	in        opener
	out       sealer
	updateDue atomic.Bool // the other end has asked for new keys
	secret    Secret
}

// bufferSize is how much is read or written at once: 18 full records, 256 KiB with some headers in front. Half as much makes more packets, and
// more acknowledgments.
const bufferSize = 18 * (headerLen + maxPlaintext + 1 + tagLen)

// tagLen is what every cipher of TLS 1.3 adds.
const tagLen = 16

type buffer [bufferSize]byte

// buffers are shared by all connections.
var buffers = sync.Pool{New: func() any { return new(buffer) }}

// ClientConn makes the handshake of a TLS client on conn. Unless it fails, conn belongs to what it returns. config must ask for
// TLS 1.3, and have no GetConfigForClient; sessions are not resumed.
func ClientConn(ctx context.Context, conn net.Conn, config *tls.Config) (*Conn, error) {
	secrets, secret, sent, err := secretsOf(ctx, conn, config, tls.Client)
	if err != nil {
		return nil, err
	}
	return newConn(conn, secret, secrets.server, secrets.client, sent)
}

// ServerConn makes the handshake of a TLS server, as ClientConn does that of a client.
func ServerConn(ctx context.Context, conn net.Conn, config *tls.Config) (*Conn, error) {
	secrets, secret, sent, err := secretsOf(ctx, conn, config, tls.Server)
	if err != nil {
		return nil, err
	}
	return newConn(conn, secret, secrets.client, secrets.server, sent)
}

func secretsOf(ctx context.Context, conn net.Conn, config *tls.Config, as role) (keyLog, Secret, []byte, error) {
	config = config.Clone()
	config.SessionTicketsDisabled = true // so that no client is sent one after its handshake
	state, secrets, sent, err := handshake(ctx, conn, config, as)
	if err != nil {
		return secrets, Secret{}, nil, err
	}
	secret, err := secretOf(state)
	return secrets, secret, sent, err
}

func newConn(conn net.Conn, secret Secret, in, out, sent []byte) (*Conn, error) {
	channel, err := takeOver(secret.suite, in, out, sent)
	if err != nil {
		return nil, err
	}
	c := &Conn{Conn: conn, secret: secret}
	c.in.from.use(conn)
	c.in.keys, c.out.keys = channel.In.keys, channel.Out.keys
	if c.in.aead, err = c.in.keys.aead(); err != nil {
		return nil, err
	}
	c.out.aead, err = c.out.keys.aead()
	return c, err
}

// NetConn returns the connection below, as crypto/tls's does.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// closeTime bounds how long Close tries to tell the other end.
const closeTime = time.Second

// Close tells the other end that nothing more comes, unless a Write is at work, and closes the connection below.
func (c *Conn) Close() error {
	if c.out.TryLock() {
		if c.out.err == nil {
			c.Conn.SetWriteDeadline(time.Now().Add(closeTime))
			last := Sender{c.out.keys}
			if notify, err := last.CloseNotify(nil); err == nil {
				c.Conn.Write(notify)
			}
			c.out.err = net.ErrClosed
		}
		c.out.Unlock()
	}
	return c.Conn.Close()
}
