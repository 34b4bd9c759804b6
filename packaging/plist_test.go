package packaging

import (
	"encoding/xml"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"testing"
)

// A plistNode is an element of a property list.
type plistNode struct {
	XMLName  xml.Name
	Version  string      `xml:"version,attr"`
	Children []plistNode `xml:",any"`
	Text     string      `xml:",chardata"`
}

// value reads what launchd would: the elements of Apple's PropertyList-1.0.dtd as far as agents have them.
func (n plistNode) value() (any, error) {
	switch n.XMLName.Local {
	case "string":
		return n.Text, nil
	case "integer":
		return strconv.Atoi(n.Text)
	case "true", "false":
		return n.XMLName.Local == "true", nil
	case "array":
		list := []any{}
		for _, child := range n.Children {
			v, err := child.value()
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case "dict":
		dict := map[string]any{}
		if len(n.Children)%2 != 0 {
			return nil, errors.New("a key of a dict has no value")
		}
		for i := 0; i < len(n.Children); i += 2 {
			key := n.Children[i]
			if key.XMLName.Local != "key" || dict[key.Text] != nil {
				return nil, fmt.Errorf("%s %q in a dict: want a key, once", key.XMLName.Local, key.Text)
			}
			v, err := n.Children[i+1].value()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key.Text, err)
			}
			dict[key.Text] = v
		}
		return dict, nil
	}
	return nil, fmt.Errorf("<%s> is no value", n.XMLName.Local)
}

// TestTheAgentIsThePropertyListThatLaunchdReads reads it by the rules of property lists, beyond those of XML. No launchd has read it.
//
// Seen to fail: with a key taken out of the file, and with EnvironmentVariables put between a key and its value.
func TestTheAgentIsThePropertyListThatLaunchdReads(t *testing.T) {
	for _, home := range []string{"", "/Users/a&b/home"} {
		text := Agent("/opt/bodkin", home, "/log")
		var plist plistNode
		if err := xml.Unmarshal([]byte(text), &plist); err != nil {
			t.Fatal(err)
		}
		if plist.XMLName.Local != "plist" || plist.Version != "1.0" || len(plist.Children) != 1 {
			t.Fatalf("not a property list:\n%s", text)
		}
		got, err := plist.Children[0].value()
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		want := map[string]any{
			"Label": Label, "ProgramArguments": []any{"/opt/bodkin", "up", "--wait"}, "RunAtLoad": true,
			"KeepAlive": map[string]any{"SuccessfulExit": false}, "ThrottleInterval": 5, "ProcessType": "Background",
			"Umask": 0o77, "StandardOutPath": "/dev/null", "StandardErrorPath": "/log",
		}
		if home != "" {
			want["EnvironmentVariables"] = map[string]any{"BODKIN_HOME": home}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %v\nwant %v", got, want)
		}
	}
}
