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
}

// Write seals p and sends it, or keeps it while corked.
func (c *Conn) Write(p []byte) (n int, err error) {
	w := &c.out
	w.Lock()
	defer w.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	if c.updateDue.Swap(false) || w.keys.sequence >= rekeyAfter {
		if w.err = c.updateKeys(); w.err != nil {
			return 0, w.err
		}
	}
	for n < len(p) {
		some := p[n:min(len(p), n+maxPlaintext)]
		if err := c.makeRoom(headerLen + len(some) + 1 + tagLen); err != nil {
			return n, err
		}
		w.held = len(w.keys.seal(w.large[:w.held], w.aead, &w.nonce, typeApplication, some))
		n += len(some)
	}
	if w.corked {
		return n, nil
	}
	return n, c.flush()
}

// Cork keeps what is written from now on until Uncork, or until there are nine full records of it.
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

// makeRoom has room for a record in the buffer. The caller holds the mutex of out, here and below.
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
	_, w.err = c.Conn.Write(w.large[:w.held])
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
