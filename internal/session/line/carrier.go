package line

import (
	"net"
	"sync"
	"time"
)

// A Carrier is a connection for a line to use.
type Carrier struct {
	// Conn ends at the peer, which has proven its key. It belongs to the line, which closes it.
	Conn net.Conn

	// Rank says how good the carrier is beside others: the highest is used. The word of the side that speaks first counts.
	Rank uint8

	// Beside asks for the carrier to be used in addition to those that the line has, up to Config.Spread, and not instead of
	// them. The word of the side that speaks first counts.
	Beside bool

	// Aside asks for the carrier to be kept and measured, and not to be used while there is another, until Line.Use says so. Of such there
	// are two at most. The word of the side that speaks first counts.
	Aside bool

	// Abort ends the connection at once, after it has been silent for so long that an orderly end would lead nowhere.
	// Nil means Conn.Close.
	Abort func()

	// Label is the owner's own, and comes back from Line.Carrier.
	Label any
}

// A carrier is a Carrier at work: a goroutine that reads and one that writes.
type carrier struct {
	Carrier
	abilities
	line  *Line
	name  uint64   // the same at both ends
	under net.Conn // Conn, or what is below its TLS

	// What follows is guarded by line.mu.
	wake     sync.Cond // the writer waits here
	flushing bool      // the writer is writing
	flight   flight
	meter    meter
	pulse    pulse
	timer    *time.Timer
	tickAt   time.Time // when it fires
	usage
	tidings
	doubting
	parting

	// These are the reader's.
	chunk   *chunk // where it puts data
	fill    int
	resting bool // it waits for a frame
}

// abilities is what a carrier's connection can do beside others; what it cannot is nil.
type abilities struct {
	corked    corked    // gather
	telling   telling   // tell of waits
	filling   filling   // read into spare memory
	expecting expecting // wait for much
	sealing   sealing   // have the mark behind what it writes
}

// usage is what a carrier is used for.
type usage struct {
	used      bool      // data goes out by it
	usedAt    time.Time // when it was last
	stuck     bool      // what went out by it stands still, and goes by others
	batch     int       // the most that is written at once while no other is used
	needs     bool      // this end needs it beside others, the peer was told
	peerNeeds bool      // the peer does
	came      uint64    // bytes of data that have come by it
	cameSaid  uint64    // and that the peer was told of
	loss      Loss      // what this end told of the way there
	peerLoss  Loss      // and the peer of the way back
}

// tidings is what the peer is to hear by a carrier before more data.
type tidings struct {
	needDue   bool // whether this end needs it
	cameDue   bool // how much has come
	useDue    bool // that this is the one to use
	lossDue   bool // what is lost
	pingDue   bool
	pongDue   bool
	pong      uint64
	closeDue  bool // the line is over
	saidClose bool
}

// doubting is whether a carrier is thought to work, by either end.
type doubting struct {
	doubtful  bool          // the peer thinks it dead
	proveIn   time.Duration // how long it then has to show that it is not
	signs     uint64        // of life: how often it was heard
	listeners int           // how many wait for the next
	spoke     time.Time     // when it was heard last before it was doubted or lost
	missed    time.Time     // and since when it was missed
	fate      error         // why it is lost
}

// parting is how a carrier is left for a better one.
type parting struct {
	leaving  bool      // nothing but a last frame is sent
	leftAt   time.Time // since when
	still    uint64    // what the peer had when that was looked at last
	saidLast bool      // that frame is away
	peerLeft bool      // the peer's has come
}

// corked is a connection that can gather small writes into a large one.
type corked interface {
	Cork()
	Uncork() error
}

// telling is a connection that reads ahead, and tells when it has nothing more at hand.
type telling interface{ OnWait(func()) }

// filling is a connection that saves a copy if it may use the memory behind what it fills.
type filling interface{ ReadInto([]byte) (int, error) }

// expecting is a connection that is told how much is to come.
type expecting interface{ Expect(int) }

// sealing is a connection that saves a copy if the mark lies behind what it writes, in its capacity.
type sealing interface{ WriteMarked([]byte) (int, error) }

func (l *Line) newCarrier(given Carrier, name uint64) *carrier {
	c := &carrier{Carrier: given, line: l, name: name, usage: usage{needs: true, peerNeeds: true, batch: batch, usedAt: time.Now()}}
	c.wake.L = &l.mu
	under := given.Conn
	if t, ok := under.(interface{ NetConn() net.Conn }); ok { // crypto/tls
		under = t.NetConn()
	}
	c.under = under
	c.corked, _ = given.Conn.(corked)
	c.filling, _ = given.Conn.(filling)
	c.expecting, _ = given.Conn.(expecting)
	c.sealing, _ = given.Conn.(sealing)
	if c.telling, _ = given.Conn.(telling); c.telling != nil {
		c.telling.OnWait(l.rested)
	}
	return c
}

// start sets the goroutines of a carrier to work. The caller holds mu.
func (c *carrier) start(first func() error) {
	c.pulse.heard = time.Now()
	c.pulse.timed = c.pulse.heard // the first ping comes when there is a pause
	c.tickAt = c.pulse.heard.Add(c.line.config.KeepAlive)
	c.timer = time.AfterFunc(c.line.config.KeepAlive, c.tick)
	c.line.carriers = append(c.line.carriers, c)
	c.line.work.Go(func() { c.read(first) })
	c.line.work.Go(c.write)
}
