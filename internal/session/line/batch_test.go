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
		"a full one, fast":                   {batch, batch, batchTime / 2, 2 * batch},
		"a full one, not so fast":            {batch, batch, batchTime, batch},
		"little, fast":                       {batch, 100, time.Microsecond, batch},
		"little behind a full one":           {mostBatch, 100, time.Microsecond, mostBatch},
		"the largest, fast":                  {mostBatch, mostBatch, batchTime / 2, mostBatch},
		"the largest, not so fast":           {mostBatch, mostBatch, batchTime, mostBatch},
		"the largest, slow":                  {mostBatch, mostBatch, batchTime + 1, mostBatch / 2},
		"a full one, slow":                   {batch, batch, batchTime + 1, batch},
		"little, slow, behind one of middle": {2 * batch, 100, time.Second, batch},
	} {
		if got := nextBatch(c.before, c.n, c.took); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
