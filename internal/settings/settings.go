// Package settings reads the settings of a node and a server from a file, bodkin.toml, in TOML (toml.io, version 1.0).
//
// It knows keys and their kinds. What the values mean is for the program to say, which can tell with [File.At] where in the
// file each of them is. It opens no files.
package settings

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/bodkin-p2p/bodkin/internal/typo"
)

// A File is what a file says. Nil fields are keys that it has not.
type File struct {
	Mesh        *bool             `toml:"mesh"`
	Wait        *bool             `toml:"wait"`
	Relay       *string           `toml:"relay"`
	Search      *bool             `toml:"search"`
	PortMapping *bool             `toml:"port-mapping"`
	LAN         *bool             `toml:"lan"`
	Connections *int              `toml:"connections"`
	Introduce   *bool             `toml:"introductions"`
	LogLevel    *string           `toml:"log-level"`
	LogFormat   *string           `toml:"log-format"`
	Receive     *string           `toml:"receive"`
	Forward     []string          `toml:"forward"`
	Socks       []string          `toml:"socks"`
	Expose      map[string]string `toml:"expose"` // by service

	Allow map[string][]string `toml:"allow"` // peers by service

	Server Server `toml:"server"`

	name string
	at   map[string]position
}

// Server is the table of a rendezvous server.
type Server struct {
	Main      []string `toml:"main"`
	Hole      []string `toml:"hole"`
	Advertise []string `toml:"advertise"`
	HTTP      *string  `toml:"http"`
	Relay     *bool    `toml:"relay"`
}

// A kind is what a key takes, in words.
type kind string

const (
	boolean kind = "true or false"
	number  kind = "a whole number"
	text    kind = "a text, in quotes"
	texts   kind = "a list of texts: [\"...\", \"...\"]"
	table   kind = "a table"
)

// keys returns all keys there are, but for those of expose and allow, which are names of services.
func keys() map[string]kind {
	return map[string]kind{
		"mesh": boolean, "wait": boolean, "relay": text, "search": boolean, "port-mapping": boolean, "lan": boolean,
		"connections": number, "introductions": boolean,
		"log-level": text, "log-format": text, "receive": text, "forward": texts, "socks": texts,
		"expose": table, "allow": table, "server": table,
		"server.main": texts, "server.hole": texts, "server.advertise": texts, "server.http": text, "server.relay": boolean,
	}
}

// kindOf returns what a key takes; empty for none there is.
func kindOf(path []string) kind {
	if len(path) == 2 && path[0] == "expose" {
		return text
	}
	if len(path) == 2 && path[0] == "allow" {
		return texts
	}
	return keys()[strings.Join(path, ".")]
}

//go:embed example.toml
var example string

// Example is a file with every key, each in a comment.
func Example() string { return example }

// Parse reads the text of a file. name is for errors, which are [Problems].
func Parse(name string, data []byte) (*File, error) {
	f := &File{name: name}
	decoder := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields()
	err := decoder.Decode(f)
	var unknown *toml.StrictMissingError
	var wrong *toml.DecodeError
	switch {
	case errors.As(err, &unknown):
		var all Problems
		for i := range unknown.Errors {
			all = append(all, unknownKey(name, &unknown.Errors[i]))
		}
		return nil, all
	case errors.As(err, &wrong):
		return nil, Problems{wrongValue(name, wrong)}
	case err != nil:
		return nil, Problems{{File: name, Text: plain(err)}}
	}
	if f.at, err = positions(data); err != nil {
		return nil, Problems{{File: name, Text: plain(err)}}
	}
	return f, nil
}

func unknownKey(name string, err *toml.DecodeError) Problem {
	line, column := err.Position()
	path := []string(err.Key())
	p := Problem{File: name, Line: line, Column: column, Text: "unknown key " + strings.Join(path, ".")}
	var among []string
	for known := range keys() {
		in, last := "", known
		if i := strings.LastIndexByte(known, '.'); i >= 0 {
			in, last = known[:i], known[i+1:]
		}
		if in == strings.Join(path[:len(path)-1], ".") {
			among = append(among, last)
		}
	}
	if guess := typo.Nearest(path[len(path)-1], among); len(guess) > 0 {
		p.Hint = "did you mean " + guess[0] + "?"
	}
	return p
}

func wrongValue(name string, err *toml.DecodeError) Problem {
	line, column := err.Position()
	p := Problem{File: name, Line: line, Column: column, Text: plain(err)}
	if want := kindOf(err.Key()); want != "" && strings.Contains(err.Error(), "cannot") {
		p.Text = fmt.Sprintf("%s: want %s", strings.Join(err.Key(), "."), want)
	}
	return p
}

func plain(err error) string { return strings.TrimPrefix(err.Error(), "toml: ") }
