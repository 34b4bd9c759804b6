//go:build !linux

package natlab

import (
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// Network namespaces are Linux's. Elsewhere New and Enter say so, and nothing else is ever reached.

var errNotLinux = fmt.Errorf("%w: it needs Linux", ErrUnavailable)

func enter() error { return errNotLinux }

type space struct{}

func (s *space) do(func() error) error            { return errNotLinux }
func sysctl(name, value string) error             { return errNotLinux }
func (l *Lab) prepareDevices(Device) error        { return errNotLinux }
func (l *Lab) newLauncher() *launcher             { return nil }
func (l *Lab) newHostSpace() (*space, error)      { return nil, errNotLinux }
func (s *space) readdress(string, ifconfig) error { return errNotLinux }

func (l *Lab) newInterface(*space, string, ifconfig) (*device, error) { return nil, errNotLinux }

type launcher struct{}

func (a *launcher) start(*space, *exec.Cmd) error { return errNotLinux }

type device struct{}

func (d *device) read() (*frame, error) { return nil, errors.ErrUnsupported }
func (d *device) write(f *frame)        { f.free() }
func (d *device) close() error          { return nil }

type alarm struct{}

func newAlarm() (*alarm, error)    { return nil, errNotLinux }
func (a *alarm) set(time.Duration) {}
func (a *alarm) wait() bool        { return false }
func (a *alarm) close()            {}

func newKernelBox(*NAT, *network, Kernel) (box, error) { return nil, errNotLinux }
