package lan

import (
	"encoding/base64"
	"strconv"

	"github.com/pion/mdns/v2"
)

const (
	// chunk is how much of a beacon is in one string of the TXT record: 255 bytes of text at most, with its key.
	chunk = 180
	// maxChunks keeps the packet within an Ethernet frame.
	maxChunks = 5
	// MaxBeacon is the longest beacon in bytes.
	MaxBeacon = chunk * maxChunks
)

// toTXT puts a beacon into the strings of a TXT record: 0=..., 1=... in base64. One that is too long is left out.
func toTXT(beacon []byte) []mdns.TXTEntry {
	var text []mdns.TXTEntry
	for i := 0; len(beacon) > 0 && i < maxChunks; i++ {
		part := beacon[:min(chunk, len(beacon))]
		beacon = beacon[len(part):]
		text = append(text, mdns.TXTEntry{Key: strconv.Itoa(i), Value: []byte(base64.RawStdEncoding.EncodeToString(part))})
	}
	if len(beacon) > 0 {
		return nil
	}
	return text
}

// fromTXT undoes toTXT.
func fromTXT(text []mdns.TXTEntry) (beacon []byte, ok bool) {
	if len(text) == 0 || len(text) > maxChunks {
		return nil, false
	}
	for i, entry := range text {
		part, err := base64.RawStdEncoding.DecodeString(string(entry.Value))
		if entry.Key != strconv.Itoa(i) || err != nil || len(part) > chunk {
			return nil, false
		}
		beacon = append(beacon, part...)
	}
	return beacon, true
}
