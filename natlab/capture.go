package natlab

import (
	"encoding/binary"
	"io"
)

// Capture writes every packet that a network of the lab carries from now on as a pcap file, which
// Wireshark and tcpdump read, until stop is called. Like a capture on a computer with segmentation
// offload it may show packets that are larger than the links' 1500 bytes.
//
// The error is that of writing the file's header. w is written to by one goroutine at a time; the
// capture ends early if that fails.
func (l *Lab) Capture(w io.Writer, of Network) (stop func(), err error) {
	const (
		magic   = 0xa1b23c4d // times in nanoseconds
		rawIP   = 101        // LINKTYPE_RAW
		snapLen = 1 << 18
	)
	header := binary.LittleEndian.AppendUint32(nil, magic)
	header = binary.LittleEndian.AppendUint16(header, 2)
	header = binary.LittleEndian.AppendUint16(header, 4)
	header = binary.LittleEndian.AppendUint64(header, 0) // UTC
	header = binary.LittleEndian.AppendUint32(header, snapLen)
	header = binary.LittleEndian.AppendUint32(header, rawIP)
	if _, err := w.Write(header); err != nil {
		return nil, err
	}
	return l.trace.watch(&captureTap{w: w, network: of.network()}), nil
}

type captureTap struct {
	w       io.Writer
	network *network
	record  []byte
	failed  bool
}

func (t *captureTap) see(e entry) {
	if t.failed || e.network != t.network || e.fate != Carried {
		return
	}
	b := t.record[:0]
	b = binary.LittleEndian.AppendUint32(b, uint32(e.at.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(e.at.Nanosecond()))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.packet.raw)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(e.packet.raw)))
	t.record = append(b, e.packet.raw...)
	_, err := t.w.Write(t.record)
	t.failed = err != nil
}
