package lan

import (
	"bytes"
	"testing"

	"github.com/pion/mdns/v2"
)

func TestABeaconSurvivesTheRecord(t *testing.T) {
	for _, size := range []int{1, 100, chunk, chunk + 1, MaxBeacon} {
		beacon := bytes.Repeat([]byte{'=', 0, 0xff}, size)[:size]
		got, ok := fromTXT(toTXT(beacon))
		if !ok || !bytes.Equal(got, beacon) {
			t.Errorf("%d bytes: got %d, %v", size, len(got), ok)
		}
		for _, entry := range toTXT(beacon) {
			if len(entry.Key)+1+len(entry.Value) > 255 {
				t.Errorf("a string of %d bytes", len(entry.Key)+1+len(entry.Value))
			}
		}
	}
	if text := toTXT(make([]byte, MaxBeacon+1)); text != nil {
		t.Errorf("a beacon that is too long is told: %d strings", len(text))
	}
}

func TestOtherRecordsAreNoBeacons(t *testing.T) {
	entry := mdns.NewTXTString
	for name, text := range map[string][]mdns.TXTEntry{
		"nothing":      nil,
		"another key":  {entry("path", "aGVsbG8")},
		"not base64":   {entry("0", "!")},
		"out of order": {entry("1", "aGVsbG8"), entry("0", "aGVsbG8")},
		"too many":     {entry("0", ""), entry("1", ""), entry("2", ""), entry("3", ""), entry("4", ""), entry("5", "")},
		"too long":     {entry("0", string(bytes.Repeat([]byte{'a'}, 252)))},
	} {
		if _, ok := fromTXT(text); ok {
			t.Errorf("%s is taken for a beacon", name)
		}
	}
}

func FuzzFromTXT(f *testing.F) {
	f.Add("0", "aGVsbG8", "1", "aGVsbG8")
	f.Add("0", "", "", "")
	f.Fuzz(func(t *testing.T, k0, v0, k1, v1 string) {
		beacon, ok := fromTXT([]mdns.TXTEntry{mdns.NewTXTString(k0, v0), mdns.NewTXTString(k1, v1)})
		if ok && len(beacon) > MaxBeacon {
			t.Errorf("a beacon of %d bytes", len(beacon))
		}
	})
}
