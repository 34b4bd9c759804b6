package natlab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// internet is the name of the network in the middle of a lab.
const internet = "internet"

// Device is how packets get from a host's kernel to the lab and back.
type Device uint8

const (
	// DeviceAuto is DeviceTUN where /dev/net/tun may be opened, else DevicePacket.
	DeviceAuto Device = iota
	// DeviceTUN is a TUN device in each host.
	DeviceTUN
	// DevicePacket is a veth pair for each host, with an AF_PACKET socket on the far end. It needs
	// no device file.
	DevicePacket
)

// Config is what a Lab is made from. The zero value works.
type Config struct {
	// Seed makes losses, jitter and random ports the same again; zero means a new one.
	Seed uint64
	// Device is how packets travel; zero means what works best here.
	Device Device
}

// A Lab is a small internet in this process: hosts and NATs made by its methods, which are alive at
// once. Their names are theirs alone. The methods are safe for concurrent use.
//
// A method that makes something never returns nil. If it fails, Err tells, and what it returns
// answers every call with that error.
type Lab struct {
	seed     uint64
	began    time.Time
	frames   frames
	trace    trace
	core     *network
	wires    *space // where the far ends of veth pairs are; nil with TUN devices
	launcher *launcher
	t        TB // nil outside of tests

	work     sync.WaitGroup
	building sync.Mutex // held while something is made

	mu     sync.Mutex
	dice   *rand.Rand
	names  map[string]bool
	nats   int // made so far
	stops  []func()
	err    error
	closed bool
}

// New makes a lab with nobody in it. The error wraps ErrUnavailable where the process may not make
// network namespaces, most often because it has not called Enter. The caller must Close the lab.
func New(c Config) (*Lab, error) {
	l := &Lab{seed: c.Seed, began: time.Now(), names: make(map[string]bool)}
	for l.seed == 0 {
		l.seed = rand.Uint64()
	}
	l.dice = rand.New(rand.NewPCG(l.seed, 0))
	l.core = newNetwork(l, internet, nil)
	if err := l.prepareDevices(c.Device); err != nil {
		return nil, err
	}
	l.launcher = l.newLauncher()
	return l, nil
}

// Seed is what Config.Seed must be for the same dice.
func (l *Lab) Seed() uint64 { return l.seed }

// Err is the first mistake or failure in building the lab, nil if there was none.
func (l *Lab) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Close kills the processes that hosts have started, takes everything down and waits until it is
// gone. Sockets that were opened in a host live on without a network, until they are closed. Only
// the first call does something.
func (l *Lab) Close() error {
	l.mu.Lock()
	stops := l.stops
	l.stops, l.closed = nil, true
	l.mu.Unlock()
	for _, stop := range stops {
		l.work.Go(stop) // all at once, because the kernel takes 10 ms or more for each device
	}
	l.work.Wait()
	return nil
}

// fail keeps the first error, or ends the test: skipped, where this machine lacks something and need not have it.
func (l *Lab) fail(err error) {
	l.mu.Lock()
	if l.err == nil {
		l.err = err
	}
	l.mu.Unlock()
	if l.t != nil {
		l.t.Helper()
		if errors.Is(err, ErrUnavailable) && !required() {
			l.t.Skipf("natlab: %v", err)
			return
		}
		l.t.Fatalf("natlab: %v", err)
	}
}

// own runs a goroutine until Close, which calls stop to end it.
func (l *Lab) own(run, stop func()) {
	l.atClose(stop)
	l.work.Go(run)
}

// atClose calls stop at Close, or at once if that was before.
func (l *Lab) atClose(stop func()) {
	l.mu.Lock()
	closed := l.closed
	if !closed {
		l.stops = append(l.stops, stop)
	}
	l.mu.Unlock()
	if closed {
		stop()
	}
}

// now is the time since the lab began, on the monotonic clock.
func (l *Lab) now() time.Duration { return time.Since(l.began) }

// newDice returns a source of random numbers that depends on the seed and on what was made before.
func (l *Lab) newDice() *rand.Rand {
	l.mu.Lock()
	defer l.mu.Unlock()
	return rand.New(rand.NewPCG(l.dice.Uint64(), l.dice.Uint64()))
}

// claim takes a name for something that is made.
func (l *Lab) claim(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return net.ErrClosed
	case name == "" || name == internet || l.names[name]:
		return fmt.Errorf("the name %q is taken", name)
	}
	l.names[name] = true
	return nil
}

// An Attachment is what is connected to a network of the lab by a link: a *Host or a *NAT.
type Attachment interface {
	Name() string
	attachment() *port
}

// SetDelay sets the one-way delay between two attachments of one network, in both directions, in
// place of the sum of their links' delays. For what is behind NATs, it is the delay between the
// outermost attachments that are in one network.
func (l *Lab) SetDelay(x, y Attachment, d time.Duration) error {
	return l.between(x, y, func(t *table, there, back [2]*port) {
		t.delays[there], t.delays[back] = d, d
	})
}

// SetLoss sets the probability that a packet between two attachments of one network is lost, 0 to 1, in each direction, on top of what their
// links lose. For what is behind NATs, it is the way between the outermost attachments that are in one network.
func (l *Lab) SetLoss(x, y Attachment, loss float64) error {
	return l.between(x, y, func(t *table, there, back [2]*port) {
		t.losses[there], t.losses[back] = loss, loss
	})
}

// between changes what a network knows of the ways there and back between two attachments.
func (l *Lab) between(x, y Attachment, edit func(t *table, there, back [2]*port)) error {
	p, q, n := meet(x.attachment(), y.attachment())
	if n == nil {
		return fmt.Errorf("natlab: %s and %s have no network in common", x.Name(), y.Name())
	}
	return n.change(func(t *table) error {
		edit(t, [2]*port{p, q}, [2]*port{q, p})
		return nil
	})
}

// meet climbs from two ports towards the internet, until they are in one network.
func meet(x, y *port) (p, q *port, n *network) {
	for p = x; p != nil; p = p.outer() {
		for q = y; q != nil; q = q.outer() {
			if n = p.net.Load(); n != nil && n == q.net.Load() && p != q {
				return p, q, n
			}
		}
	}
	return nil, nil, nil
}

// outer is the outside port of the NAT whose inside this port is attached to, nil if there is none.
func (p *port) outer() *port {
	if n := p.net.Load(); n != nil && n.owner != nil {
		return n.owner.outside
	}
	return nil
}

// String is a word such as "tun".
func (d Device) String() string { return word(uint8(d), "auto", "tun", "packet") }
