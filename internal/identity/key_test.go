package identity

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

func TestAKeyIsTheSameAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "home", "key")
	key, err := LoadOrCreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadOrCreateKey(path)
	if err != nil || again.NodeID() != key.NodeID() {
		t.Errorf("got %v, %v, want %v", again, err, key)
	}
	data, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(data, []byte("\nBODKIN-SECRET-KEY-1")) {
		t.Errorf("the file has %q, %v", data, err)
	}
	requireOnly(t, filepath.Dir(path), "key")
}

func TestKeyFilesAreTheOwnersAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows guards files by access lists")
	}
	path := filepath.Join(t.TempDir(), "home", "key")
	key, err := LoadOrCreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	requireMode(t, path, 0o600)
	requireMode(t, filepath.Dir(path), 0o700)

	for _, mode := range []fs.FileMode{0o644, 0o640, 0o602} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := LoadOrCreateKey(path)
		if !errors.Is(err, ErrFileExposed) || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %#o: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if again, err := LoadOrCreateKey(path); err != nil || again.NodeID() != key.NodeID() {
		t.Errorf("mode 0400: %v, %v", again, err)
	}
}

func TestDamagedKeyFilesAreLeftAsTheyAre(t *testing.T) {
	good := newKey(t).file()
	for name, data := range map[string][]byte{
		"empty":         {},
		"comment alone": []byte("# nothing\n"),
		"garbage":       bytes.Repeat([]byte{0, 255}, 100),
		"cut":           good[:len(good)-10],
		"one bit":       append(bytes.Clone(good[:80]), append([]byte{good[80] ^ 1}, good[81:]...)...),
		"two keys":      append(bytes.Clone(good), newKey(t).file()...),
		"short seed":    []byte(encode(secretPrefix, make([]byte, 31))),
		"a node id":     []byte(NodeID{1}.String()),
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadOrCreateKey(path)
		if !errors.Is(err, ErrKeyDamaged) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v", name, err)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(after, data) {
			t.Errorf("%s: the file was changed to %q", name, after)
		}
	}
}

func TestThingsThatAreNoKeyFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	if _, err := LoadOrCreateKey(dir); err == nil {
		t.Error("a directory was read as a key")
	}
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateKey(big); err == nil {
		t.Error("a large file was read as a key")
	}
	if _, err := LoadOrCreateKey(filepath.Join(big, "key")); err == nil {
		t.Error("a key was made below a file")
	}
}

func TestProcessesThatCreateAKeyAtOnceEndWithTheSame(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "home", "key")
		ids := make([]NodeID, 8)
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() {
				key, err := LoadOrCreateKey(path)
				if err != nil {
					t.Error(err)
				}
				ids[i] = key.NodeID()
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] || id.IsZero() {
				t.Fatalf("got %v", ids)
			}
		}
		requireOnly(t, filepath.Dir(path), "key")
	}
}

func TestWriteFileReplacesAsAWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "state")
	for _, content := range []string{"first, and rather long", "second", ""} {
		if err := WriteFile(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadFile(path); string(got) != content || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, content)
		}
	}
	requireOnly(t, filepath.Dir(path), "state")
}

func TestAFailedWriteLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "taken", "by a folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "taken"), []byte("data")); err == nil {
		t.Error("a folder was replaced")
	}
	requireOnly(t, dir, "taken")
}

func TestCreateFileNeverReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	if err := createFile(path, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := createFile(path, []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want fs.ErrExist", err)
	}
	if got, err := ReadFile(path); string(got) != "first" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	requireOnly(t, filepath.Dir(path), "state")
}

// What createFile falls back to where a file system has no hard links.
func TestAnExclusiveCreateNeverReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	if err := writeNew(path, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := writeNew(path, []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want fs.ErrExist", err)
	}
	if got, err := ReadFile(path); string(got) != "first" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestTheZeroKeyIsNobody(t *testing.T) {
	if !(Key{}).NodeID().IsZero() || !(Key{}).ServerID().IsZero() || !(RoomID{}).IsZero() {
		t.Error("the zero key has an id")
	}
	room, server := newRoom(t), newKey(t).ServerID()
	if _, err := NodeConfig(Key{}, room, server, nil); err == nil {
		t.Error("NodeConfig took the zero key")
	}
	if _, err := PeerConfig(newKey(t), Room{}, NodeID{1}); err == nil {
		t.Error("PeerConfig took the zero room")
	}
	if _, err := NodeConfig(newKey(t), room, ServerID{}, nil); err == nil {
		t.Error("NodeConfig took the zero server")
	}
	if _, err := PeerConfig(newKey(t), room, NodeID{}); err == nil {
		t.Error("PeerConfig took the zero node")
	}
	if _, err := ServerConfig(Key{}, nil); err == nil {
		t.Error("ServerConfig took the zero key")
	}
}

func FuzzKeyFile(f *testing.F) {
	f.Add([]byte("# comment\n"))
	f.Add(Key{RoomFromSecret([SecretSize]byte{}).signer}.file())
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := parseKeyFile(data)
		if err != nil {
			if !errors.Is(err, ErrKeyDamaged) {
				t.Errorf("got %v", err)
			}
			return
		}
		if again, err := parseKeyFile(key.file()); err != nil || again.NodeID() != key.NodeID() {
			t.Errorf("written and read again: %v, %v", again, err)
		}
	})
}

// requireOnly fails if dir has another file than name, such as a forgotten temporary one.
func requireOnly(t *testing.T, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != name {
		t.Errorf("%s has %v, %v, want only %s", dir, entries, err, name)
	}
}

func requireMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != want {
		t.Errorf("%s has mode %v, %v, want %#o", path, info.Mode(), err, want)
	}
}

func TestDerivedSecretsAreOfOneKeyAndOnePurpose(t *testing.T) {
	key, other := newKey(t), newKey(t)
	if len(key.Derive("a")) != 32 || !bytes.Equal(key.Derive("a"), key.Derive("a")) {
		t.Error("a secret is not 32 bytes, or another each time")
	}
	if bytes.Equal(key.Derive("a"), key.Derive("b")) || bytes.Equal(key.Derive("a"), other.Derive("a")) {
		t.Error("two purposes, or two keys, have one secret")
	}
	if (Key{}).Derive("a") != nil {
		t.Error("the zero Key has a secret")
	}
}
