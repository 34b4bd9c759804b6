package punch

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

func TestTheAcceptorAnswersAProofThatIsExpected(t *testing.T) {
	challenge := [wire.ProofLen]byte{1, 2, 3}
	says := wire.Preface{Kind: wire.Proof, Challenge: challenge}.Append(nil)
	answer := []byte("sixteen bytes...")
	for name, row := range map[string]struct {
		answer func([wire.ProofLen]byte) []byte
		want   []byte
	}{
		"expected": {func(got [wire.ProofLen]byte) []byte {
			if got != challenge {
				t.Errorf("asked for the answer to %x", got)
			}
			return answer
		}, answer},
		"not expected": {func([wire.ProofLen]byte) []byte { return nil }, nil},
		"never":        {nil, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := openDoor(t, &Acceptor{Answer: row.answer})
			c := d.knock("198.51.100.1", says)
			if row.want == nil {
				if !d.isClosed(c) {
					t.Errorf("%s: the connection is open", name)
				}
			} else {
				got := make([]byte, len(row.want))
				if n, err := c.Read(got); !bytes.Equal(got[:n], row.want) || err != nil {
					t.Errorf("%s: got %q, %v, want %q", name, got[:n], err, row.want)
				}
			}
			c.Close()
			synctest.Wait()
			d.shut()
		})
	}
}
