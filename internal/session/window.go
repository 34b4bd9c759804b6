package session

// A window is how much the peer may send on a stream, at the end that receives. It is pure.
//
// It grows when the peer says that it waits for credit although what it sent has been read: then the window is what
// limits the stream. No round trip has to be known for that.
type window struct {
	size  int // what may have come and not been read, or be on its way
	left  int // of what the peer was granted, how much has not come
	owed  int // read, and not granted again yet
	fresh int // came since the window was enlarged last
}

func newWindow() window { return window{size: firstWindow, left: firstWindow} }

// come takes note of n bytes. It fails if they were not granted.
func (w *window) come(n int) bool {
	w.left -= n
	w.fresh += n
	return w.left >= 0
}

// read takes note that n bytes were read, and tells whether it is time for credit.
func (w *window) read(n int) (due bool) {
	w.owed += n
	return w.owed >= w.size/4
}

// ample tells whether the peer may send so much that it need not be granted more at once.
func (w *window) ample() bool { return w.left >= w.size/2 }

// unread is how many bytes have come and were not read.
func (w *window) unread() int { return w.size - w.left - w.owed }

// blocked tells whether the window should grow, as the peer waits for credit.
func (w *window) blocked() (grow bool) { return w.fresh >= w.size && w.unread() <= w.size/2 }

// grow enlarges the window by n bytes.
func (w *window) grow(n int) {
	w.size += n
	w.owed += n
	w.fresh = 0
}

// grant is the credit that is due, which the peer is told.
func (w *window) grant() int {
	n := w.owed
	w.owed = 0
	w.left += n
	return n
}

// A budget bounds by how much the windows of a session may grow, all together.
type budget struct{ left int }

// take takes n bytes if they are at most half of what is left, so that no stream has it all.
func (b *budget) take(n int) bool {
	if n > b.left/2 {
		return false
	}
	b.left -= n
	return true
}

func (b *budget) give(n int) { b.left += n }
