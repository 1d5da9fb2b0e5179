package classifier

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/demarc/demarc/internal/record"
)

func TestParseAddress(t *testing.T) {
	for in, want := range map[string]string{
		"1.2.3.4": "1.2.3.4", "0.0.0.0": "0.0.0.0", "255.255.255.255": "255.255.255.255",
		"2001:DB8::a": "2001:db8::a", "::": "::", "::1": "::1", "1::": "1::",
		"::ffff:192.0.2.1": "192.0.2.1", "::FFFF:C000:201": "192.0.2.1", "64:ff9b::192.0.2.33": "64:ff9b::c000:221",
		"1:2:3:4:5:6:7:8": "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:1.2.3.4": "1:2:3:4:5:6:102:304", "1:2:3:4:5:6:7::": "1:2:3:4:5:6:7:0",
	} {
		got, ok := parseAddress([]byte(in))
		if !ok || got != addressOf(netip.MustParseAddr(want)) {
			t.Errorf("parseAddress(%q) = %v, %v; want %s", in, got, ok, want)
		}
	}
	for _, in := range []string{
		"", " ", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4 ", " 1.2.3.4", "01.2.3.4", "1.2.3.00", "0x1.2.3.4", "16909060",
		"1.2.3.", ".1.2.3", "1..2.3", "+1.2.3.4", "1.2.3.-4", "1.2.3.4:80", "1.2.3.4/32", "1,2,3,4", "\u0661.2.3.4", "1.2.3.4\x00",
		":", ":::", "::1::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "1::2:3:4:5:6:7:8", "12345::", "00001::",
		"fe80::1%eth0", "fe80::1%", "::1%1", "1.2.3.4%1", "%", "[::1]", "::g", "::1 ", "::1.2.3", "::1.2.3.04", "1.2.3.4::", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4",
		"::ffff:1.2.3.4.5", "1:", ":1", "1:2:3:4:5:1.2.3.4",
	} {
		if got, ok := parseAddress([]byte(in)); ok {
			t.Errorf("parseAddress(%q) = %v, want a refusal", in, got)
		}
	}
}

// addressOf is a as the package sees it.
func addressOf(a netip.Addr) address {
	ip := a.As16()
	number := uint128{binary.BigEndian.Uint64(ip[:8]), binary.BigEndian.Uint64(ip[8:])}
	if a.Unmap().Is4() {
		number = uint128{lo: number.lo & math.MaxUint32}
	}
	return address{number, a.Unmap().Is4()}
}

// judgeAddress holds parseAddress to netip's grammar without zones.
func judgeAddress(t *testing.T, in []byte) {
	t.Helper()
	want, err := netip.ParseAddr(string(in))
	wantOK := err == nil && want.Zone() == ""
	got, ok := parseAddress(in)
	if ok != wantOK || ok && got != addressOf(want) {
		t.Fatalf("parseAddress(%q) = %v, %v; netip says %v, %v", in, got, ok, want, err)
	}
}

func TestParseAddressAgreesWithNetip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	letters := []byte("0123456789abcdefABCDEFgx:.%% /")
	for range 200_000 {
		var a netip.Addr
		if rng.IntN(2) == 0 {
			a = randomIPv4(rng)
		} else {
			a = randomWithin(rng, netip.MustParsePrefix("::/0"))
			ip := a.As16()
			for i := range 8 { // groups of zeros, to make "::" and short groups
				if rng.IntN(3) == 0 {
					ip[2*i] = 0
					ip[2*i+1] &= byte(rng.IntN(2)) * 255
				}
			}
			a = netip.AddrFrom16(ip)
		}
		text := []byte(a.String())
		switch rng.IntN(4) {
		case 0:
			text = []byte(a.StringExpanded())
		case 1:
			text = []byte(netip.AddrFrom16(a.As16()).String())
		}
		judgeAddress(t, text)
		for range 1 + rng.IntN(3) {
			at, c := rng.IntN(len(text)+1), letters[rng.IntN(len(letters))]
			switch n := rng.IntN(3); {
			case n == 0 || at == len(text):
				text = append(text[:at:at], append([]byte{c}, text[at:]...)...)
			case n == 1 && len(text) > 1:
				text = append(text[:at:at], text[at+1:]...)
			default:
				text[at] = c
			}
			judgeAddress(t, text)
		}
	}
}

// TestParseAddressReadsDotsAndDigits compares all texts of few bytes, and longer ones that are made of all sorts of
// numbers.
func TestParseAddressReadsDotsAndDigits(t *testing.T) {
	numbers := []string{"", "0", "7", "00", "05", "10", "25", "99", "000", "012", "100", "199", "249", "255", "256", "300", "0255", "1000"}
	for _, a := range numbers {
		for _, b := range numbers {
			judgeAddress(t, []byte(a+"."+b))
			for _, c := range numbers {
				judgeAddress(t, []byte(a+"."+b+"."+c))
				for _, d := range numbers {
					judgeAddress(t, []byte(a+"."+b+"."+c+"."+d))
				}
				judgeAddress(t, []byte(a+"."+b+"."+c+".1."+a))
			}
		}
	}
	const letters = "0259."
	for length, count := 1, 1; length <= 8; length++ {
		count *= len(letters)
		for n := range count {
			text := make([]byte, length)
			for i := range text {
				text[i] = letters[n%len(letters)]
				n /= len(letters)
			}
			judgeAddress(t, text)
		}
	}
}

// TestParseAddressReadsEachByte puts every byte in each place of addresses of all lengths.
func TestParseAddressReadsEachByte(t *testing.T) {
	for _, in := range []string{
		"1.2.3.4", "1.2.3.45", "12.3.4.56", "1.23.45.67", "12.34.56.78", "123.45.67.89", "123.4.156.189", "123.245.67.189", "223.245.167.189",
		"::", "::1", "1::", "1:2::", "fe80::1", "2001:db8::1", "::ffff:1.2.3.4", "64:ff9b::192.0.2.133", "2001:db8:1:22:333:4444:abcd:ef", "1:2:3:4:5:6:7:8",
	} {
		for i := range len(in) {
			for c := range 256 {
				text := []byte(in)
				text[i] = byte(c)
				judgeAddress(t, text)
				judgeAddress(t, append(text[:i:i], in[i+1:]...))
				judgeAddress(t, append(append(text[:i:i], byte(c)), in[i:]...))
			}
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"1.2.3.4", "::ffff:1.2.3.4", "2001:db8::1", "fe80::1%eth0", "1:2:3:4:5:6:7::"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) { judgeAddress(t, in) })
}

func TestNoLocation(t *testing.T) {
	for _, in := range []string{
		"0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1", "169.254.169.254",
		"172.16.0.0", "172.31.255.255", "192.0.0.0", "192.0.0.9", "192.0.0.255", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1",
		"192.168.0.1", "192.175.48.6", "198.18.0.0", "198.19.255.255", "198.51.100.7", "203.0.113.255", "224.0.0.1", "239.255.255.255",
		"240.0.0.1", "255.255.255.255", "::ffff:10.0.0.1",
		"::", "::1", "::8.8.8.8", "64:ff9b::8.8.8.8", "64:ff9b:1::", "64:ff9b:1:ffff::8.8.8.8", "100::1", "100:0:0:1::1", "2001::", "2001:0:4136:e378::1",
		"2001:1::1", "2001:2::1", "2001:3::1", "2001:4:112::1", "2001:20::1", "2001:3f::1", "2001:1ff:ffff::", "2001:db8::1", "2001:db8:ffff::1", "2002::1",
		"2002:808:808::1", "2620:4f:8000::1", "3fff::1", "3fff:fff::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "febf::1", "ff02::1", "ffff::",
	} {
		if !noLocation(addressOf(netip.MustParseAddr(in))) {
			t.Errorf("noLocation(%s) = false", in)
		}
	}
	for _, in := range []string{
		"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0",
		"172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.167.255.255", "192.169.0.0",
		"198.17.255.255", "198.20.0.0", "203.0.112.255", "203.0.114.0", "223.255.255.255", "::ffff:8.8.8.8",
		"64:ff9b::1:0:0", "64:ff9b:2::", "::1:0:0:0", "101::", "2001:200::", "2001:db7:ffff::", "2001:db9::", "2003::", "2620:4f:7fff::", "2620:4f:8001::", "3ffe::", "3fff:1000::", "2606:4700::1111",
	} {
		if noLocation(addressOf(netip.MustParseAddr(in))) {
			t.Errorf("noLocation(%s) = true", in)
		}
	}
}

func TestForwardedEntry(t *testing.T) {
	for _, c := range []struct {
		values []string // "null" is a null value
		hops   int
		want   string
		reason record.Reason
	}{
		{[]string{"1.1.1.1"}, 1, "1.1.1.1", record.Decided},
		{[]string{"1.1.1.1, 2.2.2.2"}, 1, "2.2.2.2", record.Decided},
		{[]string{"1.1.1.1, 2.2.2.2"}, 2, "1.1.1.1", record.Decided},
		{[]string{"1.1.1.1, 2.2.2.2"}, 3, "", record.Malformed},
		{[]string{"1.1.1.1,2.2.2.2", "3.3.3.3"}, 2, "2.2.2.2", record.Decided},
		{[]string{"1.1.1.1", "2.2.2.2", "3.3.3.3"}, 3, "1.1.1.1", record.Decided},
		{[]string{"\t 1.1.1.1 \t, 2.2.2.2"}, 2, "1.1.1.1", record.Decided},
		{[]string{"1.1.1.1\n,2.2.2.2"}, 2, "1.1.1.1\n", record.Decided},
		{[]string{"1.1.1.1, 2.2.2.2,"}, 1, "", record.Decided},
		{[]string{"1.1.1.1, 2.2.2.2,"}, 2, "2.2.2.2", record.Decided},
		{[]string{",,"}, 3, "", record.Decided},
		{[]string{",,"}, 4, "", record.Malformed},
		{[]string{""}, 1, "", record.Decided},
		{[]string{""}, 2, "", record.Malformed},
		{[]string{"null"}, 1, "", record.Decided},
		{[]string{"1.1.1.1", "null", "2.2.2.2"}, 2, "", record.Decided},
		{[]string{"1.1.1.1", "null", "2.2.2.2"}, 3, "1.1.1.1", record.Decided},
		{[]string{"\xff forged \x00, 2.2.2.2"}, 1, "2.2.2.2", record.Decided},
		{nil, 1, "", record.Malformed},
	} {
		got, reason := forwardedEntry(values(c.values), c.hops)
		if string(got) != c.want || reason != c.reason {
			t.Errorf("forwardedEntry(%q, %d) = %q, %v; want %q, %v", c.values, c.hops, got, reason, c.want, c.reason)
		}
	}
}

func values(texts []string) [][]byte {
	var list [][]byte
	for _, text := range texts {
		value := []byte(text)
		if text == "null" {
			value = nil
		}
		list = append(list, value)
	}
	return list
}

// FuzzForwardedEntry holds it to its definition: join, split, count from the right.
func FuzzForwardedEntry(f *testing.F) {
	f.Add([]byte("1.1.1.1, 2.2.2.2|3.3.3.3"), 2)
	f.Add([]byte("|, |\t,"), 5)
	f.Fuzz(func(t *testing.T, in []byte, hops int) {
		if hops < 1 {
			return
		}
		values := bytes.Split(in, []byte("|"))
		entries := bytes.Split(bytes.Join(values, []byte(",")), []byte(","))
		got, reason := forwardedEntry(values, hops)
		if hops > len(entries) {
			if reason != record.Malformed {
				t.Fatalf("forwardedEntry(%q, %d) = %q, %v", values, hops, got, reason)
			}
			return
		}
		want := bytes.Trim(entries[len(entries)-hops], " \t")
		if reason != record.Decided || !bytes.Equal(got, want) {
			t.Fatalf("forwardedEntry(%q, %d) = %q, %v; want %q", values, hops, got, reason, want)
		}
	})
}
