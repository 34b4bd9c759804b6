package natlab

import (
	"io"
	"net"
	"testing"
	"time"
)

func TestBuildingMistakesAreToldOnceAndStay(t *testing.T) {
	lab, err := New(Config{})
	if err != nil {
		Test(t, Config{}) // skips or fails
	}
	defer lab.Close()
	lab.Host("a", At("203.0.113.50"))
	if err := lab.Err(); err != nil {
		t.Fatal(err)
	}
	for _, mistake := range []struct {
		name string
		host *Host
	}{
		{"name taken", lab.Host("a")},
		{"address taken", lab.Host("b", At("203.0.113.50"))},
		{"no address", lab.Host("c", At("nonsense"))},
		{"not inside", lab.NAT("n", FullCone()).Host("d", At("192.168.0.1"))},
		{"inside a NAT that failed", lab.NAT("n", FullCone()).Host("e")},
	} {
		if err := mistake.host.Do(func() error { return nil }); err == nil {
			t.Errorf("%s: no error", mistake.name)
		}
		if _, err := mistake.host.Listen("tcp", ":0"); err == nil {
			t.Errorf("%s: no error on Listen", mistake.name)
		}
		if err := mistake.host.Move(lab); err == nil {
			t.Errorf("%s: no error on Move", mistake.name)
		}
	}
	if err := lab.Err(); err == nil || err.Error() != `host a: the name "a" is taken` {
		t.Errorf("Err is %v", err)
	}
}

// echo sends back what comes, on every connection, until the listener is closed.
func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			io.Copy(c, c)
		}()
	}
}

func TestLineHoldsPacketsInTheOrderTheyAreDue(t *testing.T) {
	a, err := newAlarm()
	if err != nil {
		t.Skip(err)
	}
	began := time.Now()
	var pool frames
	arrived := make(chan byte, 8)
	l := &line{
		now:   func() time.Duration { return time.Since(began) },
		alarm: a,
		toll: func(f *frame, due time.Duration) (time.Duration, bool) {
			return due + 10*time.Millisecond, f.data[0] != 'x'
		},
		arrive: func(f *frame) { arrived <- f.data[0] },
		lose:   func(f *frame) { arrived <- 'l' },
	}
	push := func(name byte, due time.Duration, paid bool) {
		if !l.push(pool.clone([]byte{name}), due, paid) {
			t.Errorf("%c was not taken", name)
		}
	}
	push('c', 30*time.Millisecond, true)
	push('a', 10*time.Millisecond, true)
	push('b', 10*time.Millisecond, true)
	push('x', 15*time.Millisecond, false)
	push('d', 30*time.Millisecond, false)
	go l.run()
	var got []byte
	for range 5 {
		got = append(got, <-arrived)
	}
	if string(got) != "ablcd" {
		t.Errorf("they came as %q, want %q", got, "ablcd")
	}
	if took := time.Since(began); took < 40*time.Millisecond {
		t.Errorf("the last came after %v, want 40ms", took)
	}
	l.close()
	if l.push(pool.clone([]byte{'z'}), 0, true) {
		t.Error("a closed line took a packet")
	}
}

func TestAFullLineTakesNoMore(t *testing.T) {
	a, err := newAlarm()
	if err != nil {
		t.Skip(err)
	}
	l := &line{now: func() time.Duration { return 0 }, alarm: a}
	defer l.close()
	big := &frame{data: make([]byte, lineBytes/2)}
	for i, want := range []bool{true, true, false} {
		if got := l.push(big, time.Hour, true); got != want {
			t.Errorf("packet %d: taken %v, want %v", i, got, want)
		}
	}
}
