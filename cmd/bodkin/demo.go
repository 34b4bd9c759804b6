package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bodkin-p2p/bodkin/natlab"
)

const (
	demoSize    = 64_000_000
	demoMinSize = 1_000_000
	demoMaxSize = 4_000_000_000
)

func newDemo(g *globals) *cobra.Command {
	size := fileSize(demoSize)
	c := &cobra.Command{
		Use:   "demo",
		Short: "See it work: a server, two NATs, a file, the server killed half-way",
		Long: `Play the whole story on this machine. A server and two nodes, ada and ben, run as
processes of their own, ada and ben behind one NAT each, with the delays of the
real internet between them. The server introduces the two. Ada sends ben a file;
half-way the server is killed; the file arrives all the same. What the NATs and
wires have seen proves that it did not pass through the server.

The hosts are network namespaces, so this needs Linux, but not root. Elsewhere,
and where namespaces are forbidden, the same runs over loopback, without NATs.`,
		Example: `  bodkin demo
  bodkin demo --size 500MB
  bodkin demo --json 2> /dev/null`,
		Args: cobra.NoArgs,
	}
	c.Flags().Var(&size, "size", "of the file that is sent")
	asJSON := jsonFlag(c, "the result as a JSON object, and the story to stderr")
	c.RunE = func(c *cobra.Command, _ []string) error {
		entered := natlab.Enter() // first of all: it may begin the process anew
		out := c.OutOrStdout()
		if *asJSON {
			out = c.ErrOrStderr()
		}
		story := newStory(out)
		result, err := playDemo(c.Context(), story, entered, int64(size))
		if err == nil {
			err = story.told.err
		}
		if err == nil && *asJSON {
			err = json.NewEncoder(c.OutOrStdout()).Encode(result)
		}
		return err
	}
	return c
}

// playDemo sets the stage, plays, and clears everything away.
func playDemo(ctx context.Context, story *story, entered error, size int64) (result demoResult, err error) {
	exe, err := os.Executable()
	if err != nil {
		return result, err
	}
	ctx, guard := guardDemo(ctx)
	defer guard.end() // last of all: until then no signal ends the process
	dir, err := guard.tempDir()
	if err != nil {
		return result, err
	}
	defer func() {
		err = errors.Join(err, os.RemoveAll(dir))
		if gone := (interruption{}); errors.As(context.Cause(ctx), &gone) {
			err = gone
		}
	}()

	var stage stage = loopback{}
	if entered == nil {
		lab, err := newLabStage()
		if err == nil {
			stage = lab
		}
		entered = err
	}
	defer stage.close()
	story.title()
	if entered != nil {
		story.noLab(entered)
	}
	stage.describe(story)

	d := &demo{story: story, stage: stage, exe: exe, dir: dir}
	defer d.closeFile()
	defer d.end()
	if err := d.prepareFile(ctx, size); err != nil {
		return result, err
	}
	err = d.play(ctx)
	return d.result, err
}

// A stage is where the demo plays: what runs there and what can be seen.
type stage interface {
	// name is "natlab" or "loopback".
	name() string
	describe(*story)
	// start starts a process of "server", "ada" or "ben".
	start(ctx context.Context, who string, cmd *exec.Cmd) error
	serverAddr() string
	// floor is the shortest time a dial can take here; zero: it cannot be told.
	floor() time.Duration
	// traffic is the bytes seen so far; nil: they cannot be seen.
	traffic() *traffic
	close()
}

// traffic is TCP payload that the internet of the lab has carried, in bytes, both ways together.
type traffic struct {
	direct    int64 // between the two NATs
	viaServer int64 // between either NAT and the server
}

// loopback is the stage without a lab.
type loopback struct{}

func (loopback) name() string { return "loopback" }

func (loopback) describe(s *story) {
	s.paragraph("The same over loopback: a server, ada and ben on 127.0.0.1, and no NAT in between.")
}

func (loopback) start(_ context.Context, _ string, cmd *exec.Cmd) error { return cmd.Start() }
func (loopback) serverAddr() string                                     { return "127.0.0.1" }
func (loopback) floor() time.Duration                                   { return 0 }
func (loopback) traffic() *traffic                                      { return nil }
func (loopback) close()                                                 {}

// demoResult is what --json prints.
type demoResult struct {
	Stage        string     `json:"stage"` // "natlab" or "loopback"
	File         string     `json:"file"`  // where its content came from
	Bytes        int64      `json:"bytes"`
	SHA256       string     `json:"sha256"`
	Verified     bool       `json:"verified"`
	Seconds      float64    `json:"seconds"` // of the transfer
	KilledAt     int64      `json:"server_killed_at_bytes"`
	Dial         pingResult `json:"dial"`
	FloorMillis  *float64   `json:"floor_ms"`         // null where it cannot be told
	BytesDirect  *int64     `json:"bytes_direct"`     // null where packets cannot be seen
	BytesServer  *int64     `json:"bytes_via_server"` // same
	TotalSeconds float64    `json:"total_seconds"`
}

// fileSize is the value of --size: bytes, with or without kB, MB or GB.
type fileSize int64

// String is part of pflag.Value.
func (s *fileSize) String() string { return strings.ReplaceAll(byteCount(uint64(*s)), " ", "") }

// Type is part of pflag.Value.
func (s *fileSize) Type() string { return "size" }

// Set is part of pflag.Value.
func (s *fileSize) Set(text string) error {
	number, factor := text, 1.0
	for unit, size := range map[string]float64{"kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9} {
		if rest, ok := strings.CutSuffix(text, unit); ok {
			number, factor = rest, size
		}
	}
	value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil {
		return errors.New("want a number with kB, MB or GB")
	}
	if value *= factor; !(value >= demoMinSize && value <= demoMaxSize) { // also refuses what is no number
		return fmt.Errorf("want %s to %s", byteCount(demoMinSize), byteCount(demoMaxSize))
	}
	*s = fileSize(value)
	return nil
}

// prepareFile makes the file that is sent: a program of this machine, as often as it takes. The file has no name, where
// the system allows that, and so is gone with the demo however that ends.
func (d *demo) prepareFile(ctx context.Context, size int64) error {
	source := d.exe
	if out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output(); err == nil {
		if tool := strings.TrimSpace(string(out)) + "/bin/go"; isFile(tool) {
			source = tool
		}
	}
	content, err := os.Open(source)
	if err != nil {
		return err
	}
	defer content.Close()
	file, err := os.Create(d.path("file"))
	if err != nil {
		return err
	}
	d.file = file
	os.Remove(file.Name()) // Windows refuses; there it goes with the directory
	d.result.File = source
	for left := size; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := content.Seek(0, io.SeekStart); err != nil {
			return err
		}
		n, err := io.CopyN(file, content, left)
		if left -= n; err != nil && (err != io.EOF || n == 0) {
			return err
		}
	}
	d.result.Bytes = size
	_, err = file.Seek(0, io.SeekStart)
	return err
}

func (d *demo) closeFile() {
	if d.file != nil {
		d.file.Close()
	}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
