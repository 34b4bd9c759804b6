package transfer

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkOneLargeFile sends 256 MiB over loopback.
func BenchmarkOneLargeFile(b *testing.B) {
	path := filepath.Join(b.TempDir(), "large")
	write(b, path, content(256<<20, 1), 0o644)
	b.SetBytes(256 << 20)
	for b.Loop() {
		carryAway(b, path)
	}
}

// BenchmarkManySmallFiles sends 2000 files of 1 KiB in 20 directories over loopback.
func BenchmarkManySmallFiles(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "tree")
	const files = 2000
	for i := range files {
		write(b, filepath.Join(dir, fmt.Sprint(i%20), fmt.Sprint(i)), content(1024, uint64(i)), 0o644)
	}
	for b.Loop() {
		carryAway(b, dir)
	}
	b.ReportMetric(float64(b.N)*files/b.Elapsed().Seconds(), "files/s")
}

func carryAway(b *testing.B, path string) {
	to, err := os.MkdirTemp(b.TempDir(), "")
	check(b, err)
	o := carry(b, open(b, path), Receiver{Dir: to})
	check(b, o.sent)
	check(b, o.received)
	check(b, os.RemoveAll(to))
}
