package record

import (
	"crypto/cipher"
	"sync"
)

// A sealer is the side of a Conn that writes.
type sealer struct {
	sync.Mutex // guards what follows
	keys       keys
	aead       cipher.AEAD
	nonce      nonce
	corked     bool
	large      *buffer // nil if nothing lies in it
	held       int     // bytes in large: whole records
	err        error   // after which nothing can be written: the other end may have had part of a record
	to         pusher
}

// Write seals p and sends it, or keeps it while corked.
func (c *Conn) Write(p []byte) (n int, err error) {
	c.out.Lock()
	defer c.out.Unlock()
	if err := c.ready(); err != nil {
		return 0, err
	}
	for n < len(p) {
		some := p[n:min(len(p), n+maxPlaintext)]
		if err := c.makeRoom(headerLen + len(some) + 1 + tagLen); err != nil {
			return n, err
		}
		w := &c.out
		w.held = len(w.keys.seal(w.large[:w.held], w.aead, &w.nonce, typeApplication, some))
		n += len(some)
	}
	return n, c.sent()
}

// Mark is the byte behind what WriteMarked seals without a copy: the type of a record with data.
const Mark = typeApplication

// WriteMarked is Write, and saves a copy if p is no more than a record, and has Mark behind its end, in its capacity. Nothing may change
// it meanwhile.
func (c *Conn) WriteMarked(p []byte) (n int, err error) {
	if len(p) == 0 || len(p) > maxPlaintext || cap(p) == len(p) || p[:len(p)+1][len(p)] != Mark {
		return c.Write(p)
	}
	c.out.Lock()
	defer c.out.Unlock()
	if err := c.ready(); err != nil {
		return 0, err
	}
	if err := c.makeRoom(headerLen + len(p) + 1 + tagLen); err != nil {
		return 0, err
	}
	w := &c.out
	w.held = len(w.keys.sealInner(w.large[:w.held], w.aead, &w.nonce, p[:len(p)+1]))
	return len(p), c.sent()
}

// ready tells whether anything can be written. The caller holds the mutex of out, here and below.
func (c *Conn) ready() error {
	w := &c.out
	if w.err == nil && (c.updateDue.Swap(false) || w.keys.sequence >= rekeyAfter) {
		w.err = c.updateKeys()
	}
	return w.err
}

// sent sends what is sealed, unless it is corked.
func (c *Conn) sent() error {
	if c.out.corked {
		return nil
	}
	return c.flush()
}

// Cork keeps what is written from now on until Uncork, or until there are 18 full records of it.
func (c *Conn) Cork() {
	c.out.Lock()
	defer c.out.Unlock()
	c.out.corked = true
}

// Uncork sends what was kept.
func (c *Conn) Uncork() error {
	c.out.Lock()
	defer c.out.Unlock()
	c.out.corked = false
	if c.out.err != nil {
		return c.out.err
	}
	return c.flush()
}

// makeRoom has room for a record in the buffer.
func (c *Conn) makeRoom(n int) error {
	w := &c.out
	if w.held+n > bufferSize {
		if err := c.flush(); err != nil {
			return err
		}
	}
	if w.large == nil {
		w.large = buffers.Get().(*buffer)
	}
	return nil
}

// flush sends what is in the buffer, and gives it back.
func (c *Conn) flush() error {
	w := &c.out
	if w.large == nil {
		return nil
	}
	w.err = w.to.write(c.Conn, w.large[:w.held])
	buffers.Put(w.large)
	w.large, w.held = nil, 0
	return w.err
}

// updateKeys goes on to new keys, and tells the other end.
func (c *Conn) updateKeys() (err error) {
	w := &c.out
	if err := c.makeRoom(headerLen + len(keyUpdate) + 1 + tagLen); err != nil {
		return err
	}
	w.held = len(w.keys.seal(w.large[:w.held], w.aead, &w.nonce, typeHandshake, []byte(keyUpdate)))
	if err := w.keys.update(); err != nil {
		return err
	}
	w.aead, err = w.keys.aead()
	return err
}
