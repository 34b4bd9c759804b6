package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// bare is the contestant that needs no tunnel.
const bare = "tcp"

// A speed is what one turn gave.
type speed struct {
	mib float64 // a second
	cpu float64 // seconds of both ends of the tunnel for a GiB
}

// compareSpeed lets everybody send over one connection in turns, and prints what there is also when it was interrupted.
func compareSpeed(ctx context.Context, p *programs, o options, newPath func(context.Context) (*path, error)) error {
	way, err := newPath(ctx)
	if err != nil {
		return err
	}
	defer way.close()
	defer p.stop()
	if err := p.serve(ctx, way.public); err != nil {
		return err
	}
	turns := append([]contestant{{name: bare}}, without(func(c contestant) bool { return c.pairsOnly || c.kept }, o.only)...)
	got := map[string][]speed{}
	defer func() { printSpeeds(os.Stdout, turns, got) }()
	for run := range o.runs {
		for i := range turns {
			c := turns[(i+run)%len(turns)]
			s, err := way.send(ctx, p, c, o.time)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			fmt.Fprintf(os.Stderr, "%-10s %6.0f MiB/s, CPU %5.2f s/GiB\n", c.name, s.mib, s.cpu)
			got[c.name] = append(got[c.name], s)
		}
	}
	return nil
}

// send has one contestant carry bytes for d.
func (w *path) send(ctx context.Context, p *programs, c contestant, d time.Duration) (s speed, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience+d)
	defer cancel()
	listen, connect := "0.0.0.0:"+servicePort, w.address+":"+servicePort
	t := &tunnel{}
	to, err := p.start(ctx, w.far, p.self, roleCommand, "sink", listen, d.String())
	if err != nil {
		return s, err
	}
	defer to.kill()
	if _, err := to.await(ctx, patience, "listening"); err != nil {
		return s, err
	}
	if c.open != nil {
		t, err = c.open(ctx, p, w.near, w.far)
		defer t.stop()
		connect = t.entrance()
		if err != nil {
			return s, err
		}
	}
	from, err := p.start(ctx, w.near, p.self, roleCommand, "source", connect)
	if err != nil {
		return s, err
	}
	defer from.kill()
	if _, err := to.await(ctx, patience, "counting"); err != nil {
		return s, err
	}
	before := t.cpu()
	line, err := to.await(ctx, patience+d, "{")
	if err != nil {
		return s, err
	}
	used := t.cpu() - before
	var a account
	if err := json.Unmarshal([]byte(line), &a); err != nil {
		return s, err
	}
	gib := float64(a.Bytes) / (1 << 30)
	return speed{mib: gib * 1024 / a.Time.Seconds(), cpu: used.Seconds() / gib}, nil
}

// cpu is how long processors have worked for both ends; Linux counts it in hundredths of a second (proc(5)). What cannot be read is nothing.
func (t *tunnel) cpu() (total time.Duration) {
	for _, p := range []*process{t.near, t.far} {
		if p == nil {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // from the third on
		var user, system int
		fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
		total += time.Duration(user+system) * 10 * time.Millisecond
	}
	return total
}

// printSpeeds writes medians, least and most.
func printSpeeds(w io.Writer, turns []contestant, got map[string][]speed) {
	fmt.Fprintln(w, "| one connection | MiB/s | CPU s/GiB, both ends of the tunnel |\n|---|---|---|")
	for _, c := range turns {
		var mibs, cpus []float64
		for _, s := range got[c.name] {
			mibs, cpus = append(mibs, s.mib), append(cpus, s.cpu)
		}
		cpu := "–"
		if c.name != bare {
			cpu = fmt.Sprintf("%.2f", median(cpus))
		}
		if len(mibs) > 0 {
			fmt.Fprintf(w, "| %s | %.0f (%.0f–%.0f) | %s |\n", c.name, median(mibs), slices.Min(mibs), slices.Max(mibs), cpu)
		}
	}
}
