package session

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/bodkin-p2p/bodkin/internal/wire"
)

func TestRefusalComesWithTheFirstRead(t *testing.T) {
	for _, kind := range []error{ErrNoService, ErrRefused, ErrBusy} {
		t.Run(kind.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := pipe(t, Config{})
				opened, accepted := connected(t, client, server)
				if _, err := opened.Write([]byte("early data")); err != nil {
					t.Fatal(err)
				}
				if err := accepted.Refuse(kind, "because"); err != nil {
					t.Fatal(err)
				}
				for range 2 {
					_, err := opened.Read(make([]byte, 1))
					var refused *RefusedError
					if !errors.As(err, &refused) || !errors.Is(err, kind) || refused.Reason != "because" ||
						refused.Service != "echo" {
						t.Errorf("Read gives %v", err)
					}
				}
			})
		})
	}
}

func TestRefusalComesWithTheNextWriteAfterItArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, Config{})
		opened, accepted := connected(t, client, server)
		if err := accepted.Refuse(ErrNoService, "try ssh"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		_, err := opened.Write([]byte("x"))
		var refused *RefusedError
		if !errors.As(err, &refused) || !errors.Is(err, ErrNoService) || refused.Reason != "try ssh" {
			t.Errorf("Write gives %v", err)
		}
	})
}

func TestRefusalReachesAWriterThatIsAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, Config{})
		opened, accepted := connected(t, client, server)
		wrote := make(chan error)
		go func() {
			_, err := io.Copy(opened, endless{})
			wrote <- err
		}()
		synctest.Wait() // the window is full
		accepted.Refuse(ErrRefused, "too much")
		if err := <-wrote; !errors.Is(err, ErrRefused) {
			t.Errorf("Write gives %v", err)
		}
	})
}

func TestStreamOverTheLimitIsRefusedAsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, Config{MaxStreams: 3, Backlog: 2})
		refused := func() bool {
			stream := open(t, client)
			defer stream.Close()
			synctest.Wait()
			_, err := stream.Write([]byte("x"))
			if err != nil && !errors.Is(err, ErrBusy) {
				t.Errorf("Write gives %v", err)
			}
			return err != nil
		}
		var held []*Stream
		for range 2 {
			held = append(held, open(t, client)) // the backlog takes these
		}
		synctest.Wait()
		if !refused() {
			t.Error("a third stream fits into a backlog of two")
		}
		for range 2 {
			accepted, err := server.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, accepted)
		}
		held = append(held, open(t, client)) // the third that may be open
		synctest.Wait()
		if !refused() {
			t.Error("a fourth stream is open where three may be")
		}
		for _, stream := range held {
			stream.Close()
		}
		if last, err := server.Accept(t.Context()); err != nil || last.Close() != nil {
			t.Errorf("the third stream: %v", err)
		}
		if refused() {
			t.Error("no stream is taken after the others are closed")
		}
	})
}

func TestServiceNameIsChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := pipe(t, Config{})
		for _, name := range []string{"", strings.Repeat("x", wire.MaxService+1), "line\nbreak", "\xff"} {
			if _, err := client.Open(t.Context(), name); err == nil {
				t.Errorf("service %q is accepted", name)
			}
		}
	})
}

func TestReasonOfAnyTextFitsIntoAnAnswer(t *testing.T) {
	for _, reason := range []string{"", "why not", strings.Repeat("x", 1000), strings.Repeat("é", 200), "\x00\xff\n"} {
		var answer wire.StreamAnswer
		message := refusalMessage(wire.StreamAnswer_CODE_REFUSED, reason)
		if n, err := wire.Decode(message, &answer); err != nil || n != len(message) {
			t.Errorf("reason %q: %d of %d bytes, %v", reason, n, len(message), err)
		}
		if len(message)+4 > maxBody {
			t.Errorf("reason %q makes an answer of %d bytes, and %d are read", reason, len(message), maxBody-4)
		}
	}
}
