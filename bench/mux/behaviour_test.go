package mux

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// TestBehaviours prints what each contestant does; it fails for none of it, since it is a comparison.
func TestBehaviours(t *testing.T) {
	for _, c := range contestants {
		t.Run(c.name, func(t *testing.T) {
			t.Logf("half-close: %s", halfClose(t, c))
			t.Logf("read deadline: %s", deadline(t, c))
			t.Logf("peer closes a stream that is written to: %s", writeToClosed(t, c))
			notRead(t, c)
			t.Logf("streams that a peer may open unasked, of 20,000: %d", flood(t, c))
		})
	}
}

func halfClose(t *testing.T, c contestant) string {
	client, server := connect(t, c, 0, 0)
	opened, accepted := openAll(t, client, server, 1)
	half, ok := opened[0].(interface{ CloseWrite() error })
	if !ok {
		return "no CloseWrite"
	}
	if err := half.CloseWrite(); err != nil {
		return err.Error()
	}
	if _, err := io.ReadAll(accepted[0]); err != nil {
		return "the reader gets " + err.Error()
	}
	go func() {
		accepted[0].Write([]byte("answer"))
		accepted[0].Close()
	}()
	back, err := io.ReadAll(opened[0])
	if err != nil || string(back) != "answer" {
		return "the answer is lost"
	}
	return "yes"
}

func deadline(t *testing.T, c contestant) string {
	client, server := connect(t, c, 0, 0)
	opened, _ := openAll(t, client, server, 1)
	opened[0].SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, err := opened[0].Read(make([]byte, 1))
	var timeout net.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "os.ErrDeadlineExceeded"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "Timeout() is true, not os.ErrDeadlineExceeded"
	}
	return err.Error()
}

// writeToClosed tells whether a writer learns that the other side has closed the stream without reading it.
func writeToClosed(t *testing.T, c contestant) string {
	client, server := connect(t, c, 0, 0)
	opened, accepted := openAll(t, client, server, 1)
	accepted[0].Close()
	opened[0].SetWriteDeadline(time.Now().Add(time.Second))
	var wrote int
	for {
		n, err := opened[0].Write(make([]byte, 64<<10))
		wrote += n
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return "the writer blocks"
		}
		if err != nil {
			return "the writer gets " + err.Error()
		}
		if wrote > 256<<20 {
			return "the writer succeeds for ever"
		}
	}
}

// notRead writes to a stream that nobody reads, and tells what that costs and whether another stream still works.
func notRead(t *testing.T, c contestant) {
	client, server := connect(t, c, 0, 0)
	opened, accepted := openAll(t, client, server, 2)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	opened[0].SetWriteDeadline(time.Now().Add(time.Second))
	wrote, _ := io.Copy(opened[0], io.LimitReader(zeros{}, 1<<30))
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("a stream that is not read takes %d KiB, heap grows by %d KiB", wrote>>10,
		int64(after.HeapAlloc-before.HeapAlloc)>>10)

	moved := make(chan error, 1)
	go func() {
		opened[1].SetWriteDeadline(time.Now().Add(2 * time.Second))
		_, err := opened[1].Write([]byte{1})
		moved <- err
	}()
	accepted[1].SetReadDeadline(time.Now().Add(2 * time.Second))
	if _, err := accepted[1].Read(make([]byte, 1)); err != nil {
		t.Logf("other streams: stop (%v)", err)
	} else {
		t.Logf("other streams: go on")
	}
	<-moved
	runtime.KeepAlive(opened)
}

// flood opens streams that the other side never takes and tells how many of them it keeps.
func flood(t *testing.T, c contestant) int64 {
	client, server := connect(t, c, 0, 0)
	var opened atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20_000 {
			s, err := client.Open()
			if err != nil {
				return
			}
			if _, err := s.Write([]byte{1}); err != nil {
				return
			}
			opened.Add(1)
		}
	}()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
	}
	if n, ok := server.(interface{ NumStreams() int }); ok {
		return int64(n.NumStreams())
	}
	return opened.Load()
}

// TestMemory prints what an idle session (both ends) and an idle stream (both ends) hold.
func TestMemory(t *testing.T) {
	const sessions, streams = 200, 2000
	for _, c := range contestants {
		t.Run(c.name, func(t *testing.T) {
			base := held()
			var keep []muxer
			for range sessions {
				client, server := connect(t, c, 0, 0)
				keep = append(keep, client, server)
			}
			perSession := (held() - base) / (2 * sessions)
			client, server := connect(t, c, 0, 0)
			base = held()
			opened, accepted := openAll(t, client, server, streams)
			perStream := (held() - base) / (2 * streams)
			t.Logf("idle session: %d bytes; idle stream: %d bytes", perSession, perStream)
			runtime.KeepAlive(keep)
			runtime.KeepAlive(opened)
			runtime.KeepAlive(accepted)
		})
	}
}

// held is the memory in use by live objects and stacks.
func held() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
