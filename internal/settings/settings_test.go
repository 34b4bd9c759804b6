package settings

import (
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestAFileSaysWhatFlagsCanSay(t *testing.T) {
	f, err := Parse("f", []byte(`
mesh = true
relay = "never"
forward = ["8080:ben:web"]
[expose]
ssh = "localhost:22"
[allow]
ssh = ["ada", "eve"]
[server]
main = [":443"]
`))
	if err != nil {
		t.Fatal(err)
	}
	if !*f.Mesh || *f.Relay != "never" || f.Wait != nil || f.Expose["ssh"] != "localhost:22" ||
		!slices.Equal(f.Allow["ssh"], []string{"ada", "eve"}) || !slices.Equal(f.Server.Main, []string{":443"}) {
		t.Errorf("%+v", f)
	}
}

func TestProblemsSayWhereTheyAre(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"a key that is nearly one", "mesh = true\nexposse = 1", "f:2:1: unknown key exposse (did you mean expose?)"},
		{"a key like no other", "colour = 1", "f:1:1: unknown key colour"},
		{"a key of the server", "[server]\nadvertize = []", "f:2:1: unknown key server.advertize (did you mean advertise?)"},
		{"two at once", "a = 1\nmeshh = true", "f:1:1: unknown key a\nf:2:1: unknown key meshh (did you mean mesh?)"},
		{"a text for a boolean", "\n mesh = \"yes\"", "f:2:9: mesh: want true or false"},
		{"a text for a number", "connections = \"2\"", "f:1:15: connections: want a whole number"},
		{"a number for a text", "[expose]\nssh = 22", "f:2:7: expose.ssh: want a text, in quotes"},
		{"a text for a list", "forward = \"8080:ben:web\"", "f:1:11: forward: want a list of texts: [\"...\", \"...\"]"},
		{"a key twice", "mesh = true\nmesh = false", "f:2:1: "},
		{"no TOML", "mesh: true", "f:1:5: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("f", []byte(test.text))
			var problems Problems
			if !errors.As(err, &problems) || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestValuesAreFoundWhereTheyAre(t *testing.T) {
	f, err := Parse("f", []byte("relay = 'x'\nforward = [\n  'a',\n  'b\\n', # c\n]\nserver.main = ['d']\nallow = { web = ['e', 'f'] }\n[expose]\n  \"ssh\" = \"x\\ty\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path string
		want string
	}{
		{"relay", "f:1:9: x"},
		{"forward 0", "f:3:3: x"},
		{"forward 1", "f:4:3: x"},
		{"server main 0", "f:6:16: x"},
		{"allow web 1", "f:7:23: x"},
		{"expose ssh", "f:9:11: x"},
		{"nothing", "f: x"},
	} {
		if got := f.At("x", "", strings.Fields(test.path)...).String(); got != test.want {
			t.Errorf("%s: got %s, want %s", test.path, got, test.want)
		}
	}
}

// TestTheExampleHasEveryKey holds the documentation to the table of keys, and both to the struct.
func TestTheExampleHasEveryKey(t *testing.T) {
	uncommented := regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(Example(), "$1")
	f, err := Parse("example", []byte(uncommented))
	if err != nil {
		t.Fatal(err)
	}
	missing := func(v reflect.Value) {
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Field(i).IsZero() {
				t.Errorf("%s is not in the example", v.Type().Field(i).Name)
			}
		}
	}
	missing(reflect.ValueOf(*f))
	missing(reflect.ValueOf(f.Server))
	fields := map[string]bool{}
	collect := func(typ reflect.Type, under string) {
		for i := range typ.NumField() {
			if tag := typ.Field(i).Tag.Get("toml"); tag != "" {
				fields[under+tag] = true
			}
		}
	}
	collect(reflect.TypeFor[File](), "")
	collect(reflect.TypeFor[Server](), "server.")
	for key := range keys() {
		if !fields[key] {
			t.Errorf("there is no field for the key %s", key)
		}
		delete(fields, key)
	}
	for field := range fields {
		t.Errorf("%s is in no table of keys", field)
	}
	if _, err := Parse("example", []byte(Example())); err != nil {
		t.Errorf("with its comments: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(Example()))
	f.Add([]byte(strings.ReplaceAll(Example(), "#", "")))
	f.Add([]byte("forward = [['a'], {b = 'c'}]\n[[expose]]\na.b.c = 1979-05-27"))
	f.Add([]byte("allow = {a = [\"\"\"\n\"\"\"]}\n\"\\u0000\" = 1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("f", data)
		if (file == nil) == (err == nil) {
			t.Errorf("%v and %v", file, err)
		}
		if file != nil {
			for i := range file.Forward {
				file.At("", "", "forward", string(rune('0'+i%10)))
			}
		}
	})
}
