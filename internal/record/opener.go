package record

import (
	"crypto/cipher"
	"io"
	"sync"
)

// An opener is the side of a Conn that reads.
type opener struct {
	sync.Mutex // guards what follows
	keys       keys
	aead       cipher.AEAD
	nonce      nonce
	small      [64]byte // read into while little comes
	large      *buffer  // read into while much does; nil if nothing lies in it
	came       []byte   // read and not opened, in small or large
	opened     []byte   // opened and not read, in large
	busy       bool     // the last read brought much
	idle       int      // records without data in a row
	err        error
	from       fetcher
}

// OnWait has f called before Read waits: what it has given by then is all there is for now, or at least 256 KiB.
func (c *Conn) OnWait(f func()) {
	c.in.Lock()
	defer c.in.Unlock()
	c.in.from.onWait = f
}

// Expect announces that the next n bytes of content are on their way, so that Read need not be woken for each few of them.
func (c *Conn) Expect(n int) {
	c.in.Lock()
	defer c.in.Unlock()
	c.in.from.announced = n
}

// Read reads what is there, and waits only if that is nothing.
func (c *Conn) Read(p []byte) (int, error) { return c.ReadInto(p[:len(p):len(p)]) }

// ReadInto is Read, and may overwrite what lies between the length and the capacity of p. A record is opened straight into p if that has
// room for one byte more than its content, and through a buffer otherwise; but what has been read by then is returned first, for there
// may be room in what is read into next.
func (c *Conn) ReadInto(p []byte) (n int, err error) {
	c.in.Lock()
	defer c.in.Unlock()
	n, err = c.readInto(p)
	c.in.from.announced -= n
	c.in.rest()
	return n, err
}

// readInto is ReadInto. The caller holds the mutex, here and below.
func (c *Conn) readInto(p []byte) (n int, err error) {
	r := &c.in
	for {
		if len(r.opened) > 0 {
			took := copy(p[n:], r.opened)
			r.opened = r.opened[took:]
			n += took
		}
		record := r.next()
		switch {
		case n == len(p), n > 0 && (record == nil || !fits(record, p[n:])):
			return n, nil
		case record == nil && r.err == nil:
			if err := c.fill(); err != nil {
				return 0, err
			}
		case r.err != nil:
			return 0, r.err
		default:
			r.came = r.came[len(record):]
			some, err := c.open(record, p[n:])
			n += some
			r.err = err
		}
	}
}

// fits tells whether the content of a record can be opened straight into p.
func fits(record, p []byte) bool {
	most := len(record) - headerLen - tagLen - 1
	return len(p) >= most && cap(p) > most
}

// next is the record that what has come begins with; nil if it is not whole.
func (r *opener) next() []byte {
	if r.err != nil || len(r.came) < headerLen {
		return nil
	}
	var n int
	if n, r.err = length(r.came); r.err != nil || len(r.came) < n {
		return nil
	}
	return r.came[:n]
}

// open opens a record into p, if it is data and p has room for it, or else into the buffer. It returns how much data is in p.
func (c *Conn) open(record, p []byte) (n int, err error) {
	r := &c.in
	into := record[headerLen:headerLen]
	direct := fits(record, p)
	if direct {
		into = p[:0]
	}
	kind, payload, err := r.keys.openInto(into, r.aead, &r.nonce, record)
	if err != nil {
		return 0, err
	}
	if kind == typeApplication && len(payload) > 0 {
		r.idle = 0
		if direct {
			return len(payload), nil
		}
		r.opened = payload
		return 0, nil
	}
	if r.idle++; r.idle > maxIdleRecords {
		return 0, broken("%d records without data", r.idle)
	}
	switch kind {
	case typeApplication:
		return 0, nil
	case typeAlert:
		return 0, alert(payload)
	case typeHandshake:
		return 0, c.keyUpdate(payload)
	}
	return 0, broken("content type %d", kind)
}

// keyUpdate goes on to new keys. What asks for them in the other direction is answered in front of the next data.
func (c *Conn) keyUpdate(payload []byte) (err error) {
	in := Receiver{keys: c.in.keys}
	asked, err := in.handshake(payload)
	if err != nil {
		return err
	}
	if asked {
		c.updateDue.Store(true)
	}
	c.in.keys = in.keys
	c.in.aead, err = c.in.keys.aead()
	return err
}

// fill reads from the connection below, behind what has come and is not a whole record. An error of it that may pass is returned only,
// the others are kept.
func (c *Conn) fill() error {
	r := &c.in
	to := r.small[:]
	if r.large == nil && (r.busy || len(r.came) == len(r.small) || len(r.came) >= headerLen) {
		r.large = buffers.Get().(*buffer)
	}
	if r.large != nil {
		to = r.large[:]
	}
	kept := copy(to, r.came)
	r.from.kept = kept
	n, err := r.from.read(c.Conn, to[kept:])
	r.came = to[:kept+n]
	r.busy = n >= bufferSize/8
	if n > 0 || err == nil {
		return nil // an error comes again with the next read
	}
	if timeout, ok := err.(interface{ Timeout() bool }); ok && timeout.Timeout() {
		return err
	}
	if err == io.EOF && len(r.came) > 0 {
		err = io.ErrUnexpectedEOF
	}
	r.err = err
	return err
}

// rest gives the large buffer back if nothing lies in it.
func (r *opener) rest() {
	if r.large != nil && len(r.opened) == 0 && len(r.came) == 0 {
		buffers.Put(r.large)
		r.large, r.came, r.opened = nil, nil, nil
	}
}
