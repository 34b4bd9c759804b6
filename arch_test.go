package bodkin_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/bodkin-p2p/bodkin"

// arrows is the architecture: what each package may import from this module, outside its tests. "." is the library at
// the root. A new arrow is a design decision: record it in docs/decisions.
//
// Seen to fail: with punch imported from rendezvous, with a package that is not listed, and with an arrow listed that
// nobody uses.
var arrows = map[string][]string{
	// Floor 0: leaves.
	"internal/candidate":         {},
	"internal/wire":              {},
	"internal/netspace":          {},
	"internal/deadline":          {},
	"internal/reuseport":         {"internal/netspace"},
	"internal/identity":          {},
	"natlab":                     {},
	"forward":                    {},
	"internal/natbehavior":       {},
	"internal/choice":            {},
	"internal/rounds":            {"internal/natbehavior"},
	"internal/rendezvous":        {"internal/candidate", "internal/identity", "internal/natbehavior", "internal/wire"},
	"transfer":                   {},
	"internal/pairing":           {},
	"internal/typo":              {},
	"internal/settings":          {"internal/typo"},
	"internal/rendezvous/poll":   {},
	"internal/record":            {},
	"internal/rendezvous/server": {"internal/identity", "internal/natbehavior", "internal/rendezvous/poll", "internal/record", "internal/reuseport", "internal/rounds", "internal/wire"},
	"internal/gather":            {"internal/candidate", "internal/netspace"},
	"internal/punch":             {"internal/candidate", "internal/reuseport", "internal/rounds", "internal/sockerr", "internal/wire"},
	"internal/proxy":             {},
	"internal/relay":             {"internal/sockerr", "internal/wire"},
	"internal/session":           {"internal/deadline", "internal/session/line", "internal/wire"},
	"internal/session/line":      {"internal/deadline"},
	"internal/sockerr":           {},
	"internal/portmap":           {"internal/netspace"},
	"internal/netwatch":          {"internal/netspace"},
	"internal/lan":               {"internal/netspace"},
	"internal/stopwatch":         {}, // for tests
	"internal/memnet":            {}, // for tests
	"internal/tcptest":           {}, // for tests
	"internal/knownpeers":        {"internal/identity"},
	// The library and the server join the parts above.
	".": {"internal/candidate", "internal/choice", "internal/gather", "internal/identity", "internal/knownpeers", "internal/lan", "internal/natbehavior", "internal/netspace", "internal/netwatch", "internal/portmap", "internal/proxy", "internal/punch", "internal/record",
		"internal/relay",
		"internal/rendezvous", "internal/reuseport", "internal/rounds", "internal/session", "internal/session/line", "internal/wire"},
	"server": {"internal/identity", "internal/netspace", "internal/relay", "internal/rendezvous/server", "internal/reuseport", "internal/wire"},
	// The program.
	"internal/control": {".", "forward", "internal/sockerr"},
	"cmd/bodkin":       {".", "forward", "internal/control", "internal/identity", "internal/knownpeers", "internal/pairing", "internal/settings", "internal/sockerr", "internal/typo", "natlab", "packaging", "server", "transfer"},
	// Measurements.
	"bench":             {"natlab"},
	"bench/netns":       {},
	"bench/bond":        {"bench", "internal/record", "internal/session/line", "natlab"},
	"bench/matrix":      {".", "bench", "natlab", "server"},
	"bench/transfer":    {"bench", "natlab"},
	"bench/tunnel":      {"bench", "bench/netns", "natlab"},
	"bench/cast":        {"bench", "natlab"},
	"bench/faults":      {".", "bench", "natlab", "server"},
	"bench/peers/speed": {"bench/netns", "internal/record", "internal/reuseport", "internal/session", "internal/session/line", "natlab"}, // in a module of its own, with its neighbours
	// What is given to people.
	"packaging":      {},
	"packaging/dist": {},
	// For readers.
	"examples/chat": {"."},
}

func TestImportsGoDownOnly(t *testing.T) {
	used := map[string][]string{}
	eachSource(t, func(path string) {
		pkg := filepath.ToSlash(filepath.Dir(path))
		if ownModule(pkg) {
			return
		}
		allowed, known := arrows[pkg]
		if !known {
			t.Errorf("%s: package %s is not in the table of arrows", path, pkg)
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			target, ours := strings.CutPrefix(imported, module)
			if !ours {
				continue
			}
			if target = strings.TrimPrefix(target, "/"); target == "" {
				target = "."
			}
			used[pkg] = append(used[pkg], target)
			if !slices.Contains(allowed, target) {
				t.Errorf("%s: %s must not import %s", path, pkg, target)
			}
		}
	})
	for pkg, allowed := range arrows {
		for _, target := range allowed {
			if !slices.Contains(used[pkg], target) {
				t.Errorf("the table lets %s import %s, but nothing there does", pkg, target)
			}
		}
	}
}

// TestMessagesCandidatesAndBehaviorsArePure keeps sockets, clocks and chance out of the packages that only compute.
func TestMessagesCandidatesAndBehaviorsArePure(t *testing.T) {
	eachSource(t, func(path string) {
		pkg := filepath.ToSlash(filepath.Dir(path))
		if pkg != "internal/wire" && pkg != "internal/candidate" && pkg != "internal/natbehavior" && pkg != "internal/rounds" && pkg != "internal/choice" {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if imported == "time" && (pkg == "internal/natbehavior" || pkg == "internal/rounds" || pkg == "internal/choice") {
				continue // samples and readings have times, rounds have delays
			}
			if slices.Contains([]string{"net", "time", "math/rand", "math/rand/v2", "crypto/rand", "os"}, imported) {
				t.Errorf("%s imports %s: %s is to stay pure", path, imported, pkg)
			}
		}
	})
}

// eachSource calls visit with every Go file of the product: not tests, not generated.
func eachSource(t *testing.T, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && path != "." || entry.Name() == "testdata"):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(path, ".pb.go"):
			visit(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ownModule tells whether pkg belongs to a nested module: benchmarks and generators with dependencies of their own.
func ownModule(pkg string) bool {
	return pkg == "internal/wire/gen" || pkg == "bench/mux" || pkg == "bench/peers" || pkg == "examples/grpc"
}
