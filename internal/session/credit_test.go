package session

import (
	"io"
	"testing"
	"testing/synctest"
)

func TestCreditThatIsNotUrgentIsGrantedWithTheNextThatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, Config{Buffer: 1}) // so that windows do not grow
		from, to := connected(t, client, server)
		for _, n := range []int{1, firstWindow / 4, 1} {
			if _, err := from.Write(make([]byte, n)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(to, make([]byte, n)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		client.mu.Lock()
		defer client.mu.Unlock()
		if from.credit != firstWindow-1 {
			t.Errorf("%d bytes may be written, want %d", from.credit, firstWindow-1)
		}
	})
}
