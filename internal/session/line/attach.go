package line

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// helloTime bounds the exchange of hellos.
const helloTime = 10 * time.Second

// maxCarriers bounds how many carriers a line has at once.
const maxCarriers = 16

// Attach gives the line a carrier, at the end of it that speaks first. The first carrier of a line can be sent on at once; on a later one
// Attach waits for the peer's positions, which takes a round trip. The carrier belongs to the line, also if Attach fails. It returns
// ErrUnknown, and the line is over, if the peer has lost the line; then the connection is left open: the peer waits on it for another. It
// returns ErrFull if the carrier was to be used beside others, and one of the ends does not want that.
func (l *Line) Attach(ctx context.Context, given Carrier) error {
	c := l.newCarrier(given, 0)
	l.mu.Lock()
	if err := l.err; err != nil {
		l.mu.Unlock()
		given.Conn.Close()
		return err
	}
	if l.full(given) {
		l.mu.Unlock()
		given.Conn.Close()
		return ErrFull
	}
	c.name = l.nextName()
	intent := intentResume
	if !l.known {
		intent = intentBegin
	}
	h := l.hello(intent, c)
	l.mu.Unlock()
	if intent == intentBegin {
		if err := c.say(ctx, h); err != nil {
			given.Conn.Close()
			return err
		}
		return l.join(c, nil, func() error {
			answer, err := readHello(given.Conn)
			if err == nil {
				err = answer.check(l.id)
			}
			if err == nil {
				err = l.welcomed(answer)
			}
			return err
		})
	}
	answer, err := c.exchange(ctx, h)
	if err == nil {
		err = answer.check(l.id)
	}
	if err != nil {
		if err == ErrUnknown || err == ErrVersion {
			l.mu.Lock()
			l.end(err)
			l.mu.Unlock()
		}
		if err != ErrUnknown {
			given.Conn.Close()
		}
		return err
	}
	return l.join(c, &answer, func() error { return nil })
}

// nextName is one that none at either end has, and higher than those at this one: of carriers of one rank the newest is used. The caller
// holds mu.
func (l *Line) nextName() uint64 {
	name := uint64(0)
	for _, other := range l.carriers {
		name = max(name, other.name)
	}
	return name + 1 + rand.Uint64N(min(1<<40, max(1, ^uint64(0)-name-1)))
}

// hello says where the line is. The caller holds mu.
func (l *Line) hello(intent intent, c *carrier) hello {
	l.in.offered = max(l.in.offered, l.in.limit())
	alone := true
	for _, other := range l.carriers {
		alone = alone && (other.doubtful || other.leaving || l.mute(other))
	}
	return hello{
		oldest: oldestVersion, newest: newestVersion, intent: intent, alone: alone, beside: c.Beside, aside: c.Aside, returns: true, rank: c.Rank, id: l.id, carrier: c.name,
		received: l.in.next, limit: l.in.offered,
	}
}

// check tells whether an answer to a hello is a welcome.
func (h hello) check(id ID) error {
	switch {
	case h.intent == intentUnknown:
		return ErrUnknown
	case h.intent == intentFull:
		return ErrFull
	case h.intent == intentVersion || !h.common():
		return ErrVersion
	case h.intent != intentWelcome || h.id != id:
		return fmt.Errorf("%w: answer with intent %d for %v", ErrProtocol, h.intent, h.id)
	}
	return nil
}

// within runs a step of the exchange of hellos until ctx ends.
func (c *carrier) within(ctx context.Context, step func() error) error {
	c.Conn.SetDeadline(time.Now().Add(helloTime))
	stop := context.AfterFunc(ctx, func() { c.Conn.SetDeadline(time.Unix(1, 0)) })
	err := step()
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = c.Conn.SetDeadline(time.Time{})
	}
	return err
}

func (c *carrier) say(ctx context.Context, h hello) error {
	return c.within(ctx, func() error {
		_, err := c.Conn.Write(h.append(nil))
		return err
	})
}

func (c *carrier) exchange(ctx context.Context, h hello) (answer hello, err error) {
	err = c.within(ctx, func() error {
		if _, err := c.Conn.Write(h.append(nil)); err != nil {
			return err
		}
		answer, err = readHello(c.Conn)
		return err
	})
	return answer, err
}

// join puts a carrier to work. What the peer said on it, if it is there already, counts first.
func (l *Line) join(c *carrier, said *hello, first func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.err
	if err == nil && said != nil {
		if err = l.told(*said); err != nil {
			l.end(err)
		}
	}
	if err == nil && len(l.carriers) >= maxCarriers {
		err = errTooMany
	}
	if err != nil {
		l.mu.Unlock()
		c.Conn.Close()
		l.mu.Lock()
		return err
	}
	var dead []*carrier
	for _, other := range l.carriers {
		if !other.doubtful && (said != nil && said.alone || l.mute(other)) {
			dead = append(dead, other)
		}
	}
	for _, other := range dead { // choose comes after
		other.doubt(doubtTime)
	}
	c.start(first)
	c.expect()
	l.choose()
	l.overtake(c)
	return nil
}

// told takes the positions in a hello. The caller holds mu.
func (l *Line) told(h hello) error {
	l.known, l.returns = true, h.returns
	if h.received > l.out.sent {
		return fmt.Errorf("%w: hello has %d bytes, and %d were sent", ErrProtocol, h.received, l.out.sent)
	}
	return l.out.ack(h.received, h.limit)
}

// welcomed takes the answer to the first hello of a line.
func (l *Line) welcomed(h hello) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.told(h)
	l.roomy()
	l.wakeWriter()
	return err
}
