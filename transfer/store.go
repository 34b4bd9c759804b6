package transfer

import (
	"io"
	"net"
	"os"
)

// A store keeps what comes until it is complete.
type store interface {
	// prepare makes it ready for the entries of the tree, and tells what it has of them. complete means that there is
	// nothing to do: an earlier run had all.
	prepare() (haves []have, complete bool, err error)
	// create opens the file of an entry for writing at offset; from 0 it is a new one.
	create(index int, offset int64) (file, error)
	// read opens what it has of the file of an entry.
	read(index int) (*os.File, error)
	// commit gives everything its own name.
	commit() error
	// remove takes away what commit has left, and left tells where there still is something.
	remove()
	left() string
	close()
}

// A file is one that is being received.
type file interface {
	io.Writer
	// finish closes it; keep gives it the entry's permissions and time.
	finish(keep bool) error
}

// closeWrite tells the other end that nothing more comes, where the connection can.
func closeWrite(conn net.Conn) {
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
	}
}

// outputStore is a store for a single file whose content goes elsewhere.
type outputStore struct {
	to   io.Writer
	tree *tree
}

func (o *outputStore) prepare() ([]have, bool, error)  { return nil, false, nil }
func (o *outputStore) create(int, int64) (file, error) { return outputFile{o.to}, nil }
func (o *outputStore) read(int) (*os.File, error)      { return nil, os.ErrNotExist }
func (o *outputStore) commit() error                   { return nil }
func (o *outputStore) remove()                         {}
func (o *outputStore) left() string                    { return "" }
func (o *outputStore) close()                          {}

type outputFile struct{ io.Writer }

func (outputFile) finish(bool) error { return nil }
