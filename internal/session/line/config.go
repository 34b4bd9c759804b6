package line

import (
	"cmp"
	"time"
)

const (
	// firstLimit is how many bytes of a new line may be sent before the peer has said anything.
	firstLimit = 1 << 20
	// maxWindow bounds Config.Window.
	maxWindow = 1 << 30
	// maxSpread bounds Config.Spread.
	maxSpread = 8
	// sendAhead is how much may be written beyond what a carrier has taken, and more by what its batches are larger than batch. More
	// would only stand in front of what is written next; less leaves a carrier idle between two writes.
	sendAhead = 512 << 10
	// urgentRoom is how far what is small and in a hurry may go beyond sendAhead and Config.Buffer.
	urgentRoom = 64 << 10
	// batch is the most that goes to a carrier in one frame, and mostBatch to one that takes as much in batchTime. Each costs the
	// wake-ups of two goroutines at either end.
	batch, mostBatch = 256 << 10, maxFrame
	batchTime        = 2 * time.Millisecond
	// smallData goes out together with its header, in one write and so in one TLS record, which costs a copy.
	smallData = 4 << 10
	// cameEvery is for how many bytes the peer is told that they have come by one of several carriers.
	cameEvery = 128 << 10
	// An acknowledgment leaves when so many bytes have come, or a quarter of the window, or so long after the first of them. It costs two
	// system calls on either side.
	ackEvery = 1 << 20
	ackDelay = 25 * time.Millisecond
	// doubtTime is how long a carrier that the peer thinks dead may take to show that it is not.
	doubtTime = 2 * time.Second
	// retireTime is how long a carrier that was put down for a better one may take to empty itself.
	retireTime = 10 * time.Second
	// stall is how late a timer may be until this machine is taken to have slept, or to have been too busy to see what has come.
	stall = 250 * time.Millisecond
	// closeTime is how long the last word may take to the peer and back.
	closeTime = time.Second
)

// Config is how a line behaves. The zero value is fit for use.
type Config struct {
	// Wait is how long a line may be without a carrier until it fails with ErrNoPath. If zero, 5 min.
	Wait time.Duration

	// KeepAlive is how long nothing may come by a carrier until the peer is asked for a sign of life, which also keeps
	// NAT mappings alive. If zero, 15 s: the shortest mapping lifetimes seen are 50 s.
	KeepAlive time.Duration

	// Silence is how long nothing may come by a carrier while the peer owes an answer, until it is given up.
	// It is asked as soon as an answer is late: see Line.Late. If zero, 6 s.
	Silence time.Duration

	// Quiet, if not nil, is called when an answer is late. It must not block or use the line.
	Quiet func()

	// Died, if not nil, is called after a carrier was lost that had fallen silent: when it was heard last, and since when it was missed. It
	// is not called for those that are beside another. It must not block.
	Died func(c Carrier, heard, missed time.Time)

	// Spread is how many carriers of the best rank may be in use at once, at most 8. If zero or one, one. A line uses more than one only
	// while data is queued all the time, and only if both ends allow it.
	Spread int

	// More, if not nil, is called when the line would use one carrier more. Its owner then makes one, if it can, and attaches it with
	// Carrier.Beside. It must not block or use the line. It is called once for each that is wanted, and again if
	// they have not come after a while.
	More func()

	// Window is how many bytes the peer may have sent and this side not read: the memory that it can take. If zero,
	// 32 MiB; at least 1 MiB, at most 1 GiB.
	Window int

	// Buffer is how many written bytes are kept at most until the peer has them. As much is in use as is on the way.
	// If zero, 32 MiB.
	Buffer int
}

func (c Config) withDefaults() Config {
	c.Wait = cmp.Or(c.Wait, 5*time.Minute)
	c.KeepAlive = cmp.Or(c.KeepAlive, 15*time.Second)
	c.Silence = cmp.Or(c.Silence, 6*time.Second)
	c.Window = cmp.Or(c.Window, 32<<20)
	c.Buffer = cmp.Or(c.Buffer, 32<<20)
	c.Spread = min(max(c.Spread, 1), maxSpread)
	c.Window = min(max(c.Window, firstLimit), maxWindow)
	c.Buffer = min(max(c.Buffer, chunkSize), maxWindow)
	return c
}
