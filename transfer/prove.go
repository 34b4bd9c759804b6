package transfer

import (
	"fmt"
	"io"
	"sync"

	"github.com/zeebo/blake3"
)

// proving tells the sender what an earlier run left, and the hashes of that.
type proving struct {
	*receiving
	claims  map[int]*claim // not changed once the sender was told
	once    sync.Once
	stopped chan struct{} // closed when nobody wants proofs any more
}

// A claim is what was told of one file.
type claim struct {
	size   int64
	proven chan struct{}  // closed when the following are set
	sum    sum            // of these bytes; zero if they could not be read
	hash   *blake3.Hasher // has had them; nil if the file is complete, so that nothing follows
}

func (p *proving) stop() { p.once.Do(func() { close(p.stopped) }) }

// tell says what there is.
func (p *proving) tell(haves []have) error {
	batch := make([]byte, 0, batchSize+64)
	for _, h := range haves {
		p.claims[h.index] = &claim{size: h.size, proven: make(chan struct{})}
		if batch = appendHave(batch, h); len(batch) < batchSize {
			continue
		}
		if err := p.write(frameHave, batch); err != nil {
			return err
		}
		batch = batch[:0]
	}
	if len(batch) > 0 {
		if err := p.write(frameHave, batch); err != nil {
			return err
		}
	}
	return p.write(frameGo, nil)
}

// prove hashes what there is, in order, and tells the hashes. A file that cannot be read is proven by a hash that is not
// its own, so that it is sent again.
func (p *proving) prove(haves []have) {
	batch := make([]byte, 0, batchSize+64)
	whole := newHash()
	var unsaid int64 // bytes that were hashed for the batch
	for i, h := range haves {
		c := p.claims[h.index]
		hasher := whole
		if partial := h.size < p.tree.entries[h.index].size; partial {
			hasher = newHash()
			c.hash = hasher
		}
		hasher.Reset()
		size, err := p.hash(hasher, h)
		if err == errNobody {
			return
		}
		if err == nil {
			c.sum = sumOf(hasher)
		}
		close(c.proven)
		unsaid += size
		batch = appendProof(batch, h.index, c.sum)
		if len(batch) < batchSize && unsaid < chunkSize && i < len(haves)-1 {
			continue
		}
		if err := p.write(frameProof, batch); err != nil {
			p.fail(err)
			return
		}
		batch, unsaid = batch[:0], 0
	}
}

var errNobody = fmt.Errorf("nobody wants to know")

func (p *proving) hash(into io.Writer, h have) (int64, error) {
	f, err := p.store.read(h.index)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	buffer := make([]byte, min(h.size, chunkSize))
	var done int64
	for done < h.size {
		select {
		case <-p.stopped:
			return done, errNobody
		default:
		}
		n, err := io.ReadFull(f, buffer[:min(int64(len(buffer)), h.size-done)])
		into.Write(buffer[:n])
		if done += int64(n); err != nil {
			return done, err
		}
	}
	return done, nil
}

// claimed tells whether the sender was told that there is as much as at says.
func (p *proving) claimed(at have) bool {
	c := p.claims[at.index]
	return c != nil && c.size == at.size
}

// hashed returns the hash of the first offset bytes of a file: as what goes on, or, if nothing follows, as the sum. fresh is
// for a file that begins at 0.
func (p *proving) hashed(index int, offset int64, fresh *blake3.Hasher) (*blake3.Hasher, sum, error) {
	fresh.Reset()
	if offset == 0 {
		return fresh, sum{}, nil
	}
	c := p.claims[index]
	select {
	case <-c.proven:
	default: // the sender cannot know yet that it is equal
		return nil, sum{}, fmt.Errorf("%w: a file that goes on before it was proven", ErrProtocol)
	}
	switch {
	case c.sum == sum{}:
		return nil, sum{}, fmt.Errorf("%w: a file that goes on from what cannot be read", ErrProtocol)
	case c.hash == nil:
		return fresh, c.sum, nil
	}
	return c.hash, sum{}, nil
}
