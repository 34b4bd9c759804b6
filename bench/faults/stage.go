package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/bodkin-p2p/bodkin"
	"github.com/bodkin-p2p/bodkin/natlab"
	"github.com/bodkin-p2p/bodkin/server"
)

// One-way delays: A-S, B-S, A-B.
const (
	delayAS = 20 * time.Millisecond
	delayBS = 30 * time.Millisecond
	delayAB = 25 * time.Millisecond
)

// patience is how long a session may take to go on, and anything else to be ready.
const patience = 2 * time.Minute

// serverAddr is the rendezvous server's.
const serverAddr = "203.0.113.10"

// serverHome in the environment makes this program the rendezvous server with that home.
const serverHome = "BODKIN_FAULTS_SERVER_HOME"

// serving runs the server if this process is to be it.
func serving() bool {
	home := os.Getenv(serverHome)
	if home == "" {
		return false
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	s, err := server.Open(server.Config{Home: home, Advertise: []string{serverAddr}})
	if err == nil {
		var invite bodkin.Invite
		if invite, err = s.Invite(server.DefaultRoom); err == nil {
			fmt.Println(invite)
			err = s.Serve(ctx)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
	return true
}

// A stage is a server, two nodes behind NATs, and the stream between them.
type stage struct {
	lab        *natlab.Lab
	home       string
	serverHost *natlab.Host
	process    *natlab.Cmd
	invite     bodkin.Invite
	near, far  *natlab.Host
	nearNAT    *natlab.NAT // in front of near now
	farNAT     *natlab.NAT
	number     int // of the last address or NAT that was new
	a, b       *bodkin.Node
	ends       [2]*bodkin.Conn // of the stream, at a and b
	paths      paths
}

// newStage builds it all. The caller must close it.
func newStage(ctx context.Context, log *slog.Logger) (_ *stage, err error) {
	s := &stage{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.home, err = os.MkdirTemp("", "bodkin-faults-"); err != nil {
		return s, err
	}
	if s.lab, err = natlab.New(natlab.Config{}); err != nil {
		return s, err
	}
	s.serverHost = s.lab.Host("s", natlab.At(serverAddr))
	s.nearNAT, s.farNAT = s.lab.NAT("near", natlab.PortRestrictedCone()), s.lab.NAT("far", natlab.Linux())
	s.near, s.far = s.nearNAT.Host("a"), s.farNAT.Host("b")
	if err := errors.Join(s.distances(), s.lab.Err()); err != nil {
		return s, err
	}
	if err := s.startServer(ctx); err != nil {
		return s, err
	}
	if s.a, err = s.join(ctx, s.near, "ada", log); err != nil {
		return s, err
	}
	if s.b, err = s.join(ctx, s.far, "ben", log); err != nil {
		return s, err
	}
	return s, s.connect(ctx)
}

// distances sets the delays, which belong to the NATs that the nodes are behind.
func (s *stage) distances() error {
	return errors.Join(s.lab.SetDelay(s.near, s.serverHost, delayAS), s.lab.SetDelay(s.far, s.serverHost, delayBS), s.lab.SetDelay(s.near, s.far, delayAB))
}

func (s *stage) join(ctx context.Context, host *natlab.Host, name string, log *slog.Logger) (*bodkin.Node, error) {
	heard := slog.New(listener{log.Handler(), &s.paths})
	return bodkin.Join(ctx, bodkin.Config{Invite: s.invite, Name: name, NoPortMapping: true, NoLAN: true, Within: host.Do, Log: heard.With("node", name)})
}

// connect opens the stream.
func (s *stage) connect(ctx context.Context) error {
	listener, err := s.b.Listen("transfer")
	if err != nil {
		return err
	}
	defer listener.Close()
	if s.ends[0], err = s.a.Dial(ctx, "ben", "transfer"); err != nil {
		return err
	}
	if _, err := s.ends[0].Write([]byte{0}); err != nil {
		return err
	}
	if s.ends[1], err = listener.AcceptConn(); err != nil {
		return err
	}
	if _, err := s.ends[1].Read(make([]byte, 1)); err != nil {
		return err
	}
	s.paths.watch(s.a, s.b)
	return nil
}

// startServer starts the server's process, and waits until it serves.
func (s *stage) startServer(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	s.process = s.serverHost.Command(ctx, program)
	s.process.Env = append(os.Environ(), serverHome+"="+s.home)
	s.process.Stderr = os.Stderr
	out, err := s.process.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.process.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the server said no invite: %w", err)
	}
	s.invite, err = bodkin.ParseInvite(strings.TrimSpace(line))
	return err
}

// killServer gives the server no chance to say goodbye.
func (s *stage) killServer() {
	if s.process != nil && s.process.Process != nil {
		s.process.Process.Signal(syscall.SIGKILL)
		s.process.Wait()
	}
}

func (s *stage) close() {
	for _, end := range s.ends {
		if end != nil {
			end.Abort()
		}
	}
	for _, n := range []*bodkin.Node{s.a, s.b} {
		if n != nil {
			n.Close()
		}
	}
	s.paths.close()
	s.killServer()
	if s.lab != nil {
		s.lab.Close()
	}
	os.RemoveAll(s.home)
}
