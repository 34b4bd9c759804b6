package relay

import "time"

// Limits bounds what nodes can cost the relay. A zero field means its default, which is given with its reason; a negative one
// means no bound. Bytes count once for each node and for their room, whichever way they go.
type Limits struct {
	HelloTimeout time.Duration // for a connection to say who it is. 5 s, as for a TLS handshake
	TokenLife    time.Duration // 30 s: an attempt takes 10 s at most
	KeptLife     time.Duration // of a token that is kept for later. 24 h: the paths of most sessions are made anew sooner

	Waiting        int           // connections whose peer has not come, at once. 1,024, of a socket each
	WaitingPerNode int           // 16. Those with kept tokens take half of both at most
	WaitTimeout    time.Duration // for the peer. 6 s: both were told in the same tick, and an attempt lasts so long

	Pairs        int // at once. 4,096, of two sockets and two pipes of 64 KiB to 1 MiB each while bytes flow
	PairsPerNode int // 64
	PairsPerRoom int // 1,024

	BytesPerSecondPerNode int64         // 12,500,000: 100 Mbit/s
	BytesPerSecondPerRoom int64         // 62,500,000: 500 Mbit/s, half of a usual server's line
	BytesPerNode          int64         // in a Period. 50 GB
	BytesPerRoom          int64         // in a Period. 250 GB
	Period                time.Duration // 24 h

	Lifetime     time.Duration // of one pair. 24 h
	IdleTimeout  time.Duration // without a byte either way. 2 min: sessions ask for a sign of life every 15 s
	StallTimeout time.Duration // for a node to take one chunk of 256 KiB. 2 min
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.HelloTimeout, 5*time.Second)
	setDefault(&l.TokenLife, 30*time.Second)
	setDefault(&l.KeptLife, 24*time.Hour)
	setDefault(&l.Waiting, 1024)
	setDefault(&l.WaitingPerNode, 16)
	setDefault(&l.WaitTimeout, 6*time.Second)
	setDefault(&l.Pairs, 4096)
	setDefault(&l.PairsPerNode, 64)
	setDefault(&l.PairsPerRoom, 1024)
	setDefault(&l.BytesPerSecondPerNode, 12_500_000)
	setDefault(&l.BytesPerSecondPerRoom, 62_500_000)
	setDefault(&l.BytesPerNode, 50_000_000_000)
	setDefault(&l.BytesPerRoom, 250_000_000_000)
	setDefault(&l.Period, 24*time.Hour)
	setDefault(&l.Lifetime, 24*time.Hour)
	setDefault(&l.IdleTimeout, 2*time.Minute)
	setDefault(&l.StallTimeout, 2*time.Minute)
	return l
}

const unbounded = 1 << 62

func setDefault[N ~int | ~int64](n *N, otherwise N) {
	switch {
	case *n == 0:
		*n = otherwise
	case *n < 0:
		*n = unbounded
	}
}
