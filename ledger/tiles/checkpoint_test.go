package tiles_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/demarc/demarc/ledger/tiles"
)

const root64 = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="

func sign(t testing.TB, name, text string) (signed []byte, key tiles.Key) {
	t.Helper()
	secret, public, err := note.GenerateKey(strings.NewReader(strings.Repeat("k", 32)), name)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	signed, err = note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		t.Fatal(err)
	}
	key, err = tiles.ParseKey(" " + public + "\n")
	if err != nil {
		t.Fatal(err)
	}
	return signed, key
}

func TestOpenCheckpoint(t *testing.T) {
	signed, key := sign(t, "example.com/log", "example.com/log\n20852163\n"+root64+"\nmore\n")
	c, err := tiles.OpenCheckpoint(signed, key)
	if err != nil || c.Origin != "example.com/log" || c.Size != 20852163 || base64.StdEncoding.EncodeToString(c.Root[:]) != root64 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestCheckpointsInAnotherFormAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"two lines":           "example.com/log\n5\n",
		"another origin":      "example.com/other\n5\n" + root64 + "\n",
		"a leading zero":      "example.com/log\n05\n" + root64 + "\n",
		"a sign":              "example.com/log\n+5\n" + root64 + "\n",
		"a negative size":     "example.com/log\n-5\n" + root64 + "\n",
		"no size":             "example.com/log\nmany\n" + root64 + "\n",
		"a size too large":    "example.com/log\n9223372036854775808\n" + root64 + "\n",
		"a root too short":    "example.com/log\n5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxqw==\n",
		"a root's spare bits": "example.com/log\n5\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
		"an empty line":       "example.com/log\n5\n" + root64 + "\n\nmore\n",
	} {
		signed, key := sign(t, "example.com/log", text)
		if c, err := tiles.OpenCheckpoint(signed, key); err == nil {
			t.Errorf("%s: opened %+v", name, c)
		}
	}
}

func TestKeysInAnotherFormAreRefused(t *testing.T) {
	for vkey, want := range map[string]string{
		"": "not the name of a file", "name": "not the name of a file", "name+00000000+AQ==": "missing or wrong",
		"PRIVATE+KEY+x+00000000+AAAA": "nobody else may see", "name+cc469956+AZ==": "missing or wrong",
	} {
		_, err := tiles.ParseKey(vkey)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", vkey, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "AAAA") {
			t.Errorf("the error shows the key that signs: %v", err)
		}
	}
}

// The example of https://c2sp.org/tlog-cosignature has no key with it; this one is made here by the words of the page.
func witnessLine(name string, at uint64, seed byte, text string) (vkey, line string) {
	secret := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32))
	public := append([]byte{4}, secret.Public().(ed25519.PublicKey)...)
	id := sha256.Sum256([]byte(name + "\n" + string(public)))
	sig := ed25519.Sign(secret, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at, text))
	raw := append(id[:4:4], byte(at>>56), byte(at>>48), byte(at>>40), byte(at>>32), byte(at>>24), byte(at>>16), byte(at>>8), byte(at))
	vkey = fmt.Sprintf("%s+%x+%s", name, id[:4], base64.StdEncoding.EncodeToString(public))
	return vkey, "— " + name + " " + base64.StdEncoding.EncodeToString(append(raw, sig...)) + "\n"
}

func TestCosignatures(t *testing.T) {
	text := "example.com/log\n5\n" + root64 + "\n"
	signed, key := sign(t, "example.com/log", text)
	vkey, good := witnessLine("w.example/1", 1679315147, 'w', text)
	_, later := witnessLine("w.example/1", 1679315148, 'w', text)
	_, wrong := witnessLine("w.example/1", 1679315147, 'w', text+"more\n")
	_, insane := witnessLine("w.example/1", 1<<62, 'w', text)
	_, stranger := witnessLine("x.example", 1679315147, 'x', text)
	witnesses, err := tiles.ParseWitnesses([]byte(vkey))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, lines string
		at          int64 // 0: none
		bad         bool
	}{
		{"none", "", 0, false},
		{"one", good, 1679315147, false},
		{"of a stranger", stranger, 0, false},
		{"the latest", good + later + good + stranger, 1679315148, false},
		{"of another text", wrong, 0, true},
		{"of another text beside a good one", good + wrong, 0, true},
		{"with an insane time", insane, 0, true},
		{"cut", good[:len(good)-9] + "\n", 0, true},
	} {
		opened, err := tiles.OpenCheckpoint(append(bytes.Clone(signed), c.lines...), key)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		found, err := opened.Cosignatures(witnesses)
		at := int64(0)
		if len(found) == 1 {
			at = found[0].At.Unix()
		}
		if at != c.at || (err != nil) != c.bad {
			t.Errorf("%s: %v, %v", c.name, found, err)
		}
	}
}

func TestWitnessFilesInAnotherFormAreRefused(t *testing.T) {
	a, _ := witnessLine("a.example", 1, 'a', "")
	alias, _ := witnessLine("alias.example", 1, 'a', "")
	twin, _ := witnessLine("a.example", 1, 'b', "")
	_, logKey, err := note.GenerateKey(strings.NewReader(strings.Repeat("k", 32)), "log.example")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"a log's key":           {logKey, "line 1: log.example is not a cosignature key"},
		"one key twice":         {a + "\n" + a, "line 2: a.example has the name or the key of a.example"},
		"one key of two names":  {a + "\n\n" + alias, "line 3: alias.example has the name or the key of a.example"},
		"one name of two keys":  {a + "\n" + twin, "line 2: a.example has the name or the key of a.example"},
		"another hash":          {strings.Replace(a, "+", "+0", 1), "line 1: a.example: the hash"},
		"no key":                {"a.example", "line 1: want a verifier key"},
		"no name":               {"+00000000+BAAA", "line 1: want a verifier key"},
		"spare bits in the key": {strings.TrimSuffix(a, "=") + "!", "line 1: want a verifier key"},
	} {
		if _, err := tiles.ParseWitnesses([]byte(c.text)); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// No change of the bytes that are signed, or of the signature, is a checkpoint; lines of other keys may be there.
func FuzzOpenCheckpoint(f *testing.F) {
	signed, key := sign(f, "example.com/log", "example.com/log\n5\n"+root64+"\n")
	f.Add(signed)
	f.Add(append(bytes.Clone(signed), "— other AAAAAAAA\n"...))
	f.Add([]byte("\n\n— "))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := tiles.OpenCheckpoint(data, key)
		if err != nil {
			return
		}
		text, sigs, _ := bytes.Cut(signed, []byte("\n\n"))
		if c.Size != 5 || !bytes.HasPrefix(data, append(text, "\n\n"...)) || !bytes.Contains(data, sigs) {
			t.Errorf("opened %q", data)
		}
	})
}
