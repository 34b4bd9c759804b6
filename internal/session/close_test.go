package session

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestWriterLearnsThatTheReaderHasGone(t *testing.T) {
	for name, leave := range map[string]func(*Stream) error{"close": (*Stream).Close, "abort": (*Stream).Abort} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := pipe(t, Config{})
				opened, accepted := connected(t, client, server)
				if err := leave(accepted); err != nil {
					t.Fatal(err)
				}
				for {
					if _, err := opened.Write(make([]byte, 1<<16)); err != nil {
						if !errors.Is(err, ErrReset) {
							t.Errorf("writer gets %v", err)
						}
						return
					}
				}
			})
		})
	}
}

func TestBytesBeforeCloseArriveAndBytesBeforeAbortNeedNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, Config{})
		opened, accepted := connected(t, client, server)
		opened.Write([]byte("last words"))
		opened.Close()
		synctest.Wait() // the reset that follows the end of the stream has arrived, too
		if b, err := io.ReadAll(accepted); err != nil || string(b) != "last words" {
			t.Errorf("read %q, %v", b, err)
		}
		opened, accepted = connected(t, client, server)
		opened.Write([]byte("never mind"))
		opened.Abort()
		synctest.Wait()
		if _, err := io.ReadAll(accepted); !errors.Is(err, ErrReset) {
			t.Errorf("after an abort the reader gets %v", err)
		}
	})
}

func TestCloseHandsOverWhatClosedStreamsWrote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, Config{})
		const streams = 50
		for range streams {
			stream := open(t, client)
			io.WriteString(stream, "a line, and gone")
			stream.Close()
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		for range streams { // nobody has accepted before
			stream, err := server.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(stream); err != nil || string(b) != "a line, and gone" {
				t.Fatalf("read %q, %v", b, err)
			}
			stream.Close()
		}
		if _, err := server.Accept(t.Context()); !errors.Is(err, ErrPeerClosed) {
			t.Errorf("then Accept gives %v", err)
		}
	})
}

func TestCloseUnblocksEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, Config{})
		reader, _ := connected(t, client, server)
		writer, _ := connected(t, client, server)
		var work sync.WaitGroup
		check := func(what string, call func() error) {
			work.Go(func() {
				if err := call(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("%s gives %v", what, err)
				}
			})
		}
		check("Read", func() error { _, err := reader.Read(make([]byte, 1)); return err })
		check("Write", func() error { _, err := io.Copy(writer, endless{}); return err })
		check("Accept", func() error { _, err := client.Accept(t.Context()); return err })
		synctest.Wait()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		work.Wait()
		check("Open", func() error { _, err := client.Open(t.Context(), "echo"); return err })
		check("Ping", func() error { _, err := client.Ping(t.Context()); return err })
		check("Err", client.Err)
		check("Read", func() error { _, err := reader.Read(make([]byte, 1)); return err })
		check("SetDeadline", func() error { return reader.SetDeadline(time.Time{}) })
		work.Wait()
		if err := client.Close(); err != nil {
			t.Errorf("second Close gives %v", err)
		}
		if err := reader.Close(); err != nil {
			t.Errorf("Close of a stream gives %v", err)
		}
		<-server.Done()
		if err := server.Err(); !errors.Is(err, ErrPeerClosed) {
			t.Errorf("the peer learns %v", err)
		}
	})
}

func TestCloseWaitsNoLongerThanLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := New(deaf(t), true, Config{Linger: 2 * time.Second})
		start := time.Now()
		client.Close()
		if took := time.Since(start); took != 3*time.Second { // the line's last word takes the third
			t.Errorf("Close took %v", took)
		}
	})
}

// The root closes carriers with a reset, so that a restarted node can dial from the same port at once.
func TestNothingIsLostWhenTheCarrierEndsWithAReset(t *testing.T) {
	leakless(t)
	for range 30 {
		a, b := tcpPair(t)
		a.(*net.TCPConn).SetLinger(0)
		b.(*net.TCPConn).SetLinger(0)
		client, server := join(t, a, b, Config{})
		stream := open(t, client)
		if _, err := io.CopyN(stream, endless{}, 1<<20); err != nil {
			t.Fatal(err)
		}
		stream.Close()
		client.Close()
		accepted, err := server.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, accepted); n != 1<<20 || err != nil {
			t.Fatalf("got %d of %d bytes, %v", n, 1<<20, err)
		}
		accepted.Close()
	}
}
