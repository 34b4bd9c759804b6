package line

import (
	"testing"
	"time"
)

func TestBatchesAreLargeWhileTheyAreFast(t *testing.T) {
	for name, c := range map[string]struct {
		before, n int
		took      time.Duration
		want      int
	}{
		"a full one, fast":         {batch, batch, batchTime, mostBatch},
		"little, fast":             {batch, 100, time.Microsecond, batch},
		"little behind a full one": {mostBatch, 100, time.Microsecond, mostBatch},
		"a larger one, fast":       {mostBatch, mostBatch, batchTime, mostBatch},
		"a larger one, slow":       {mostBatch, mostBatch, batchTime + 1, batch},
		"little, slow":             {mostBatch, 100, time.Second, batch},
	} {
		if got := nextBatch(c.before, c.n, c.took); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
