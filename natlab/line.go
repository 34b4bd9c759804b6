package natlab

import (
	"container/heap"
	"sync"
	"time"
)

// lineBytes bounds what is on its way to one attachment: 10 Gbit/s for 50 ms.
const lineBytes = 64 << 20

// A line holds the packets on their way to one attachment until they are due.
type line struct {
	now    func() time.Duration // since the lab began
	toll   func(f *frame, due time.Duration) (time.Duration, bool)
	arrive func(*frame)
	lose   func(*frame)
	alarm  *alarm

	mu     sync.Mutex
	queue  arrivals
	seq    uint64
	bytes  int
	closed bool
}

// push takes over f, to let it arrive at due. A packet that has yet to pay goes through toll then,
// which tells when it really arrives, or that it is lost. push reports false, and does not take f,
// if the line is full or closed.
func (l *line) push(f *frame, due time.Duration, paid bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.bytes+len(f.data) > lineBytes {
		return false
	}
	l.add(arrival{frame: f, due: due, paid: paid})
	if l.queue[0].seq == l.seq {
		l.alarm.set(due - l.now())
	}
	return true
}

func (l *line) add(a arrival) {
	l.seq++
	a.seq = l.seq
	l.bytes += len(a.frame.data)
	heap.Push(&l.queue, a)
}

// run lets packets arrive until close.
func (l *line) run() {
	for l.alarm.wait() {
		for f := l.pop(); f != nil; f = l.pop() {
			l.arrive(f)
		}
	}
}

// pop removes a packet that is due, or sets the alarm for the next one.
func (l *line) pop() *frame {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed && len(l.queue) > 0 {
		if wait := l.queue[0].due - l.now(); wait > 0 {
			l.alarm.set(wait)
			return nil
		}
		a := heap.Pop(&l.queue).(arrival)
		l.bytes -= len(a.frame.data)
		if a.paid {
			return a.frame
		}
		due, ok := l.toll(a.frame, a.due)
		if !ok {
			l.lose(a.frame)
			continue
		}
		a.due, a.paid = due, true
		l.add(a)
	}
	return nil
}

func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		l.alarm.close()
	}
}

type arrival struct {
	frame *frame
	due   time.Duration
	seq   uint64 // keeps packets that are due together in the order they came
	paid  bool   // been through toll
}

// arrivals is a heap, earliest first.
type arrivals []arrival

func (q arrivals) Len() int      { return len(q) }
func (q arrivals) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q arrivals) Less(i, j int) bool {
	if q[i].due != q[j].due {
		return q[i].due < q[j].due
	}
	return q[i].seq < q[j].seq
}
func (q *arrivals) Push(x any) { *q = append(*q, x.(arrival)) }
func (q *arrivals) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = arrival{}
	*q = old[:len(old)-1]
	return last
}
