package natlab

import "sync"

const (
	headroom   = 32               // before every packet, for virtio-net and Ethernet headers
	smallStore = headroom + 2016  // an ordinary packet, MTU 1500
	largeStore = headroom + 65600 // what a kernel hands over as one segmentation-offload packet
)

// A frame is one IP packet on its way through the lab. Whoever is handed one passes it on or frees
// it.
type frame struct {
	store []byte      // headroom, then the packet
	data  []byte      // the packet
	gso   int         // payload of each segment, if it is several TCP segments in one; else zero
	flow  *tracedFlow // where the network it is in has counted it
	home  *sync.Pool
}

// frames gives out frames and takes them back.
type frames struct {
	small, large sync.Pool
}

// get returns a frame for a packet of n bytes, content undefined.
func (p *frames) get(n int) *frame {
	pool, size := &p.small, smallStore
	if headroom+n > smallStore {
		pool, size = &p.large, largeStore
	}
	f, _ := pool.Get().(*frame)
	if f == nil {
		f = &frame{store: make([]byte, max(size, headroom+n)), home: pool}
	}
	f.gso, f.flow = 0, nil
	f.data = f.store[headroom : headroom+n]
	return f
}

// clone returns a frame that holds a copy of packet.
func (p *frames) clone(packet []byte) *frame {
	f := p.get(len(packet))
	copy(f.data, packet)
	return f
}

func (f *frame) free() {
	f.data = nil
	f.home.Put(f)
}
