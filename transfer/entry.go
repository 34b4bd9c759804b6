package transfer

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// Limits of what is sent in one transfer, and of what is believed of another side.
const (
	MaxEntries  = 1 << 20  // files, directories and links
	MaxNames    = 10_000   // that are given to Send
	maxListing  = 64 << 20 // bytes of all names and link targets
	maxName     = 255      // bytes of one name, as file systems have it
	maxTarget   = 4095     // bytes of a link's target
	maxDepth    = 128      // directories inside each other
	maxSize     = 1 << 56  // bytes of a file
	maxReason   = 1000     // bytes of words in a failure
	unknownSize = -1       // of a stream, until it has ended
)

// kind says what an entry is.
type kind uint8

const (
	kindFile kind = iota + 1
	kindDirectory
	kindLink
	kindStream // a file whose size is known at its end
)

// none is the parent of entries at the top.
const none = -1

// An entry is a file, a directory or a symbolic link.
type entry struct {
	kind   kind
	parent int // index of the directory; none at the top
	name   string
	mode   fs.FileMode // permissions only
	time   time.Time   // of the last change
	size   int64       // of a file; unknownSize of a stream
	target string      // of a link, with slashes
	depth  int         // 0 at the top
}

// content tells whether bytes are sent for the entry.
func (e *entry) content() bool { return e.kind == kindFile || e.kind == kindStream }

// A tree is all entries of a transfer. Parents come before what is in them.
type tree struct {
	entries []entry
	bytes   int64 // of all files
	files   int
	listing int           // bytes of names and targets
	names   map[place]int // index of each
}

// A place is where an entry is.
type place struct {
	parent int
	name   string
}

// add appends an entry that came from elsewhere, if it is sound.
func (t *tree) add(e entry) error {
	if len(t.entries) >= MaxEntries {
		return fmt.Errorf("more than %d files", MaxEntries)
	}
	if t.listing += len(e.name) + len(e.target); t.listing > maxListing {
		return fmt.Errorf("more than %d bytes of names", maxListing)
	}
	if err := checkName(e.name); err != nil {
		return err
	}
	switch {
	case e.parent == none:
		e.depth = 0
	case e.parent < 0 || e.parent >= len(t.entries) || t.entries[e.parent].kind != kindDirectory:
		return fmt.Errorf("%q is in no directory", e.name)
	default:
		if e.depth = t.entries[e.parent].depth + 1; e.depth > maxDepth {
			return fmt.Errorf("%q is more than %d directories deep", e.name, maxDepth)
		}
	}
	if e.kind == kindFile && (e.size < 0 || e.size > maxSize || t.bytes > maxSize) {
		return fmt.Errorf("%q has %d bytes", e.name, e.size)
	}
	if len(e.target) > maxTarget || (e.kind == kindLink) != (e.target != "") {
		return fmt.Errorf("%q leads to %d bytes", e.name, len(e.target))
	}
	at := place{e.parent, e.name}
	if _, taken := t.names[at]; taken {
		return fmt.Errorf("%q is there twice", e.name)
	}
	if t.names == nil {
		t.names = map[place]int{}
	}
	t.names[at] = len(t.entries)
	if e.content() {
		t.files++
		t.bytes += max(e.size, 0)
	}
	t.entries = append(t.entries, e)
	return nil
}

// path is where an entry is, from the top, in the system's spelling.
func (t *tree) path(index int) string {
	e := &t.entries[index]
	if e.parent == none {
		return e.name
	}
	parts := make([]string, e.depth+1)
	for at := index; at != none; at = t.entries[at].parent {
		parts[t.entries[at].depth] = t.entries[at].name
	}
	return strings.Join(parts, string(filepath.Separator))
}

// staysInside tells whether a link leads to a place below the entry at the top that it is in, whatever else is there. So it
// is relative, goes up only at its beginning, and not further than that: what goes up behind a name could have followed
// another link first.
func staysInside(target string, depth int) bool {
	target = filepath.ToSlash(target)
	if target == "" || depth == 0 || strings.HasPrefix(target, "/") || strings.ContainsRune(target, 0) || filepath.VolumeName(target) != "" {
		return false
	}
	up, names := 0, 0
	for element := range strings.SplitSeq(target, "/") {
		switch element {
		case "", ".":
		case "..":
			if up++; names > 0 || up >= depth {
				return false
			}
		default:
			names++
		}
	}
	return true
}

// shorten makes a text fit into a message.
func shorten(text string) string {
	const most = 100
	if len(text) <= most {
		return text
	}
	return text[:most] + "..."
}
