package transfer

import "fmt"

// fits tells whether what is still to come has room where it goes, as far as that can be known: bytes are counted, and not what
// a file system needs beside them, so a disk can be full all the same. It is better to hear of a lack of room at once than
// after an hour.
func (s *stage) fits(haves []have) error {
	missing := s.tree.bytes
	for _, h := range haves {
		missing -= h.size
	}
	dir, err := s.root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	if free, known := freeSpace(dir); known && missing > 0 && uint64(missing) > free {
		return fmt.Errorf("%w: %s are needed in %s, and %s are free", ErrNoSpace, size(uint64(missing)), s.dir.Name(), size(free))
	}
	return nil
}

// size is a number of bytes in words, in powers of 1000.
func size(n uint64) string {
	if n < 1000 {
		return fmt.Sprintf("%d bytes", n)
	}
	value, unit := float64(n), ""
	for _, unit = range []string{"kB", "MB", "GB", "TB", "PB", "EB"} {
		if value /= 1000; value < 999.95 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
