package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/bodkin-p2p/bodkin/natlab"
)

// A recorder keeps the packets and logs of one run.
type recorder struct {
	mu   sync.Mutex
	text bytes.Buffer
	stop func()
}

// maxRecord bounds what a recorder keeps.
const maxRecord = 4 << 20

func record(lab *natlab.Lab) *recorder {
	r := &recorder{}
	r.stop = sync.OnceFunc(lab.Log(r))
	return r
}

// Write implements io.Writer.
func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.text.Len() < maxRecord {
		r.text.Write(b)
	}
	return len(b), nil
}

// writer is where to write logs to: nowhere, nil, without a recorder.
func (r *recorder) writer() io.Writer {
	if r == nil {
		return nil
	}
	return r
}

// end stops recording.
func (r *recorder) end() {
	if r != nil {
		r.stop()
	}
}

// keep writes the record of a run that went wrong to a file.
func (r *recorder) keep(folder string, p pair, number int, problem string) error {
	if r == nil {
		return nil
	}
	r.stop()
	if problem == "" {
		return nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	name := fmt.Sprintf("%s-%03d.log", strings.ReplaceAll(p.String(), ":", "-to-"), number)
	r.mu.Lock()
	defer r.mu.Unlock()
	text := fmt.Sprintf("%v, %v: %s\n%s", p, time.Now().Format(time.TimeOnly), problem, r.text.Bytes())
	return os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644)
}
