package natlab

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// naiveSum is RFC 1071 word by word.
func naiveSum(b []byte, initial uint64) uint16 {
	return fold(sum(initial, b))
}

func TestOnesSumIsThatOfRFC1071(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	for n := range 100 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(dice.Uint32())
		}
		initial := uint64(dice.Uint32() >> 8)
		if got, want := onesSum(b, initial), naiveSum(b, initial); got != want {
			t.Errorf("%d bytes: got %#x, want %#x", n, got, want)
		}
	}
	if got := onesSum(bytes.Repeat([]byte{0xff}, 65536), 1<<32-1); got != 0xffff {
		t.Errorf("all ones: got %#x, want 0xffff", got)
	}
}

// superPacket is what a kernel hands over for n bytes of payload in segments.
func superPacket(number protocol, from, to string, n int) []byte {
	header := make([]byte, 8)
	if number == protoTCP {
		header = make([]byte, 32)
		binary.BigEndian.PutUint32(header[4:], 1000) // sequence number
		header[12], header[13] = 8<<4, 0x80|1|8|16   // CWR, FIN, PSH, ACK
	}
	for i := range n {
		header = append(header, byte(i), byte(i>>8))[:len(header)+1]
	}
	return ipPacket(number, netip.MustParseAddr(from), netip.MustParseAddr(to), header)
}

func TestAPacketOfManySegmentsIsTakenApart(t *testing.T) {
	const payload, mss = 3500, 1000
	for _, c := range []struct {
		name     string
		number   protocol
		from, to string
	}{
		{"TCP over IPv4", protoTCP, "10.0.0.1", "10.0.0.2"},
		{"TCP over IPv6", protoTCP, "2001:db8::1", "2001:db8::2"},
		{"UDP over IPv4", protoUDP, "10.0.0.1", "10.0.0.2"},
		{"UDP over IPv6", protoUDP, "2001:db8::1", "2001:db8::2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var pool frames
			f := pool.clone(superPacket(c.number, c.from, c.to, payload))
			f.gso = mss
			whole := bytes.Clone(f.data)
			if got := f.segments(); got != 4 {
				t.Fatalf("it stands for %d packets, want 4", got)
			}
			var joined []byte
			for i, segment := range f.split(&pool) {
				p, ok := parse(segment.data)
				if !ok || len(p.raw) != len(segment.data) {
					t.Fatalf("segment %d is malformed", i)
				}
				if c.number == protoTCP {
					checkSegment(t, &p, i, i == 3)
				}
				checkSums(t, &p)
				joined = append(joined, segment.data[headersLen(segment.data):]...)
			}
			if !bytes.Equal(joined, whole[headersLen(whole):]) {
				t.Error("the payload is not what it was")
			}
		})
	}
}

func checkSegment(t *testing.T, p *packet, index int, last bool) {
	t.Helper()
	if got, want := p.seq(), uint32(1000+1000*index); got != want {
		t.Errorf("segment %d has sequence number %d, want %d", index, got, want)
	}
	if p.flags().has(flagFIN) != last || p.flags().has(flagPSH) != last {
		t.Errorf("segment %d has flags %v", index, p.flags())
	}
	if cwr := p.raw[p.transport+13]&0x80 != 0; cwr != (index == 0) {
		t.Errorf("segment %d: CWR is %v", index, cwr)
	}
}

func TestAChecksumLeftToTheNetworkCardIsFilledIn(t *testing.T) {
	const link = 14
	packet := superPacket(protoTCP, "10.0.0.1", "10.0.0.2", 100)
	want := bytes.Clone(packet)
	binary.BigEndian.PutUint16(packet[20+16:], onesSum(nil, pseudoSum(packet, 20)))
	vnet := make([]byte, virtioLen)
	vnet[0] = vnetNeedsChecksum
	binary.NativeEndian.PutUint16(vnet[6:], link+20)
	binary.NativeEndian.PutUint16(vnet[8:], 16)
	f := &frame{data: packet}
	if !acceptOffload(f, vnet, link) || f.gso != 0 {
		t.Fatalf("not accepted as one segment")
	}
	if !bytes.Equal(f.data, want) {
		t.Error("the checksum is wrong")
	}
	binary.NativeEndian.PutUint16(vnet[6:], 5000)
	if acceptOffload(f, vnet, link) {
		t.Error("a checksum beyond the packet was accepted")
	}
}
