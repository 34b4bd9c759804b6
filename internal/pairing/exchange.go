package pairing

import (
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"github.com/bytemare/opaque"
)

var (
	// ErrWrong tells that the other side has another code, or was not sure of its own: it used up its try.
	ErrWrong = errors.New("pairing: the code is wrong")
	// ErrCut tells that the connection ended before anything could be tried.
	ErrCut = errors.New("pairing: the connection ended")
)

// configuration is that of all exchanges: ristretto255 and SHA-512, the first of RFC 9807's. The passwords are used once,
// so that there is nothing to slow an attack on what is stored: nothing is.
func configuration() *opaque.Configuration {
	return &opaque.Configuration{
		OPRF: opaque.RistrettoSha512, AKE: opaque.RistrettoSha512,
		KDF: crypto.SHA512, MAC: crypto.SHA512, Hash: crypto.SHA512,
		Context: []byte("bodkin one-time code 1"),
	}
}

// Sizes of the messages in this configuration.
const (
	ke1Size = 96
	ke2Size = 320
	ke3Size = 64
)

// right is what the sender says to the right code.
const right = 1

// Offer is the side of the sender of the code: it returns nil if the other side has proven to know code, ErrWrong if the code
// is used up, and an error that wraps ErrCut if nothing was tried. me and peer are who both are, as the connection has proven.
// The caller sets deadlines.
func Offer(conn io.ReadWriter, code Code, me, peer string) error {
	server, record, err := register(code, me, peer)
	if err != nil {
		return err
	}
	first := make([]byte, ke1Size)
	if _, err := io.ReadFull(conn, first); err != nil {
		return fmt.Errorf("%w: %w", ErrCut, err)
	}
	ke1, err := server.Deserialize.KE1(first)
	if err != nil {
		return fmt.Errorf("%w: what came is no attempt: %w", ErrCut, err)
	}
	ke2, err := server.LoginInit(ke1, record)
	if err != nil {
		return fmt.Errorf("pairing: %w", err)
	}
	if _, err := conn.Write(ke2.Serialize()); err != nil {
		return ErrWrong // it may have arrived, and what arrived can be tried
	}
	last := make([]byte, ke3Size)
	if _, err := io.ReadFull(conn, last); err != nil {
		return ErrWrong
	}
	ke3, err := server.Deserialize.KE3(last)
	if err != nil || server.LoginFinish(ke3) != nil {
		return ErrWrong
	}
	if _, err := conn.Write([]byte{right}); err != nil {
		return fmt.Errorf("%w: %w", ErrCut, err)
	}
	return nil
}

// register makes a server with one user, whose password is the code.
func register(code Code, me, peer string) (*opaque.Server, *opaque.ClientRecord, error) {
	c := configuration()
	server, err := c.Server()
	if err != nil {
		return nil, nil, fmt.Errorf("pairing: %w", err)
	}
	client, err := c.Client()
	if err != nil {
		return nil, nil, fmt.Errorf("pairing: %w", err)
	}
	secret, public := c.KeyGen()
	seed, user := c.GenerateOPRFSeed(), make([]byte, 32)
	rand.Read(user)
	if err := server.SetKeyMaterial([]byte(me), secret, public, seed); err != nil {
		return nil, nil, fmt.Errorf("pairing: %w", err)
	}
	key, err := server.Deserialize.DecodeAkePublicKey(public)
	if err != nil {
		return nil, nil, fmt.Errorf("pairing: %w", err)
	}
	request := client.RegistrationInit([]byte(code.String()))
	response := server.RegistrationResponse(request, key, user, seed)
	record, _ := client.RegistrationFinalize(response, opaque.ClientRegistrationFinalizeOptions{ClientIdentity: []byte(peer), ServerIdentity: []byte(me)})
	return server, &opaque.ClientRecord{CredentialIdentifier: user, ClientIdentity: []byte(peer), RegistrationRecord: record}, nil
}

// Prove is the side of the user who has typed the code: it returns nil if both have the same one, ErrWrong if not, and an error
// that wraps ErrCut if the other side did not take part.
func Prove(conn io.ReadWriter, code Code, me, peer string) error {
	client, err := configuration().Client()
	if err != nil {
		return fmt.Errorf("pairing: %w", err)
	}
	if _, err := conn.Write(client.LoginInit([]byte(code.String())).Serialize()); err != nil {
		return fmt.Errorf("%w: %w", ErrCut, err)
	}
	answer := make([]byte, ke2Size)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return fmt.Errorf("%w: %w", ErrCut, err)
	}
	ke2, err := client.Deserialize.KE2(answer)
	if err != nil {
		return ErrWrong
	}
	ke3, _, err := client.LoginFinish(ke2, opaque.ClientLoginFinishOptions{ClientIdentity: []byte(me), ServerIdentity: []byte(peer)})
	if err != nil {
		return ErrWrong
	}
	if _, err := conn.Write(ke3.Serialize()); err != nil {
		return fmt.Errorf("%w: %w", ErrCut, err)
	}
	verdict := make([]byte, 1)
	if _, err := io.ReadFull(conn, verdict); err != nil {
		return fmt.Errorf("%w: %w", ErrCut, err)
	}
	if verdict[0] != right {
		return ErrWrong
	}
	return nil
}
