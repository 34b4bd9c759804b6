package session

import (
	"bytes"
	"testing"
)

// FuzzFrames has a collector take frames from bytes that come in pieces: it must find the same as from all at once, and keep to its bounds.
func FuzzFrames(f *testing.F) {
	f.Add(frame{kindPing, 0, 7}.append(nil), 1)
	f.Add(append(frame{kindData, 3, 1}.append(nil), "abc"...), 2)
	f.Add(append(frame{kindOpen, 5, 1}.append(nil), "\x04\x0a\x02ab"...), 13)
	f.Add(appendCode(nil, kindReset, 1, resetRefused, []byte{2, 8, 1}), 5)
	f.Add(appendCode(nil, kindCredit, 2, 1<<20, nil), 500)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), 3)
	f.Fuzz(func(t *testing.T, b []byte, piece int) {
		if len(b) > 1<<16 {
			return
		}
		piece = max(1, piece%1000)
		whole, wholeErr := collect(t, b, len(b)+1)
		pieces, err := collect(t, b, piece)
		if !bytes.Equal(whole, pieces) || (err == nil) != (wholeErr == nil) {
			t.Errorf("in pieces of %d: %q, %v; at once: %q, %v", piece, pieces, err, whole, wholeErr)
		}
	})
}

// collect returns the frames that were found, in the form in which they are sent.
func collect(t *testing.T, b []byte, piece int) (found []byte, err error) {
	var c collector
	skip := 0
	for len(b) > 0 {
		part := b[:min(piece, len(b))]
		b = b[len(part):]
		for len(part) > 0 {
			if skip > 0 {
				n := min(skip, len(part))
				found = append(found, part[:n]...)
				skip, part = skip-n, part[n:]
				continue
			}
			took, f, body, err := c.next(part)
			if err != nil {
				return found, err
			}
			if took == 0 {
				t.Fatal("nothing was taken")
			}
			part = part[took:]
			if f.kind == 0 {
				continue
			}
			found = append(f.append(found), body...)
			if f.kind == kindData {
				skip = f.length
			}
		}
	}
	return found, nil
}
