package identity

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
)

// These values are part of the protocol: every member must derive the same.
func TestRoomKeysAreThoseOfTheProtocol(t *testing.T) {
	var secret [SecretSize]byte
	for i := range secret {
		secret[i] = byte(i)
	}
	room := RoomFromSecret(secret)
	for _, tt := range []struct{ name, got, want string }{
		{"id", room.ID().String(), "room1ny04kv0ewes2rxrxsgrlecruqpzgzps9ywspd568r5v9ym5hjdqq236wg5"},
		{"tag of alice", fmt.Sprintf("%x", room.NameTag("alice")), "123200d8f557a163018bf94726e8aa27"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, tt.got, tt.want)
		}
	}
	sealed, _ := hex.DecodeString("c339fe9dd63243380037f8fda9c0ab2ae3fddb7f4915fe0428bb5cebd5a7fa53a00480")
	if plain, err := room.Open(NodeID{1}, sealed); string(plain) != "profile" || err != nil {
		t.Errorf("Open: got %q, %v", plain, err)
	}
}

func TestSealedProfilesOpenForTheirNodeInTheirRoomOnly(t *testing.T) {
	room, stranger := newRoom(t), newRoom(t)
	id, other := newKey(t).NodeID(), newKey(t).NodeID()
	plain := []byte("alice, 192.168.1.2:30000")
	sealed := room.Seal(id, plain)
	if got, err := room.Open(id, sealed); !bytes.Equal(got, plain) || err != nil {
		t.Errorf("Open: got %q, %v", got, err)
	}
	if len(sealed) != len(plain)+SealOverhead {
		t.Errorf("sealed %d bytes into %d", len(plain), len(sealed))
	}
	if bytes.Equal(sealed, room.Seal(id, plain)) {
		t.Error("the same profile sealed twice looks the same")
	}
	if _, err := room.Open(other, sealed); !errors.Is(err, ErrSealed) {
		t.Errorf("as another node's: %v", err)
	}
	if _, err := stranger.Open(id, sealed); !errors.Is(err, ErrSealed) {
		t.Errorf("in another room: %v", err)
	}
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1
		if _, err := room.Open(id, damaged); !errors.Is(err, ErrSealed) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := room.Open(id, sealed[:i]); !errors.Is(err, ErrSealed) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
}

func TestNameTagsFollowNamesAndRooms(t *testing.T) {
	room := newRoom(t)
	if room.NameTag("Alice") != room.NameTag(" alice\n") {
		t.Error("case or white space makes another tag")
	}
	if room.NameTag("alice") == room.NameTag("bob") || room.NameTag("alice") == newRoom(t).NameTag("alice") {
		t.Error("another name or another room has the same tag")
	}
}

func TestPrintedRoomsAndKeysKeepTheirSecrets(t *testing.T) {
	room, key := newRoom(t), newKey(t)
	secret := room.Secret()
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, v := range []any{room, &room, key, &key} {
			text := fmt.Sprintf(format, v)
			for _, s := range [][]byte{secret[:], key.private.Seed()} {
				if bytes.Contains([]byte(text), s) || bytes.Contains([]byte(text), fmt.Appendf(nil, "%d", s)) {
					t.Errorf("%s of %T shows the secret: %s", format, v, text)
				}
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	room := RoomFromSecret([SecretSize]byte{1})
	f.Add([]byte{})
	f.Add(make([]byte, SealOverhead))
	f.Add(room.Seal(NodeID{2}, []byte("profile")))
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if plain, err := room.Open(NodeID{3}, sealed); err == nil {
			t.Errorf("forged: %q", plain)
		}
	})
}
