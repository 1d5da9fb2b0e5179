package devbroker

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// event is one record of an app's telemetry before it is written as JSON.
type event struct {
	id         []byte
	user, seen *place
	at         time.Time
	named      bool // has /user/verified_region
	sim        bool // has a SIM card
}

// Word lists of the documents; never written after start.
var (
	eventTypes = []string{"page_view", "add_to_cart", "purchase", "search", "login", "video_progress", "push_opened", "scroll"}
	plans      = []string{"free", "premium", "family", "trial"}
	models     = []string{"SM-S921B", "Pixel 9", "iPhone16,2", "iPhone15,4", "2312DRA50G", "XQ-DQ54", "CPH2581", "Macmini9,1"}
	systems    = []string{"android", "ios", "windows", "macos", "linux"}
	networks   = []string{"wifi", "lte", "nr", "ethernet"}
	screens    = []string{"/home", "/catalog/item", "/checkout/payment", "/account/orders", "/search/results", "/live/room"}
	currencies = []string{"USD", "EUR", "GBP", "JPY", "SEK", "BRL", "INR"}
)

// usualSize is about how many bytes the documents of json have.
const usualSize = 760

// document makes a document of about size bytes; 0 is the usual size.
func (e *event) document(r *random, fault Fault, size int) []byte {
	b := make([]byte, 0, max(size, usualSize)+200)
	switch {
	case size == 0 || size == usualSize:
		return e.json(b, r, fault)
	case size < usualSize:
		return e.small(b, r, fault)
	}
	b = e.json(b, r, fault)
	b = b[:len(b)-len(`}}`)]
	for n := 0; len(b) < size-len(`}}`); n++ {
		b = appendInt(b, `,"item_`, n)
		b = appendInt(b, `":{"sku":"sku-`, 10_000+r.below(90_000))
		b = appendInt(b, `","price_minor":`, 99+r.below(50_000))
		b = appendText(b, `,"currency":"`, pick(r, currencies))
		b = append(r.hex(append(b, `","seen":"`...), 4), `"}`...)
	}
	return append(b, `}}`...)
}

// small appends the document that has no more than identity, region and address.
func (e *event) small(b []byte, r *random, fault Fault) []byte {
	b = append(append(b, `{`+idMark...), e.id...)
	b = append(b, `","user":{"v":1`...)
	if e.named {
		b = e.region(b, fault)
	}
	b = e.address(append(b, `},"network":{"ip":"`...), r, fault)
	return append(b, `"}}`...)
}

// json appends the document; fault changes what is written in it.
func (e *event) json(b []byte, r *random, fault Fault) []byte {
	b = append(b, `{"event_id":"`...)
	b = append(b, e.id...)
	b = appendText(b, `","type":"`, pick(r, eventTypes))
	b = append(b, `","ts":"`...)
	b = e.at.AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = r.hex(append(b, `","user":{"id":"u_`...), 6)
	b = appendText(b, `","plan":"`, pick(r, plans))
	b = append(b, '"')
	if e.named {
		b = e.region(b, fault)
	}
	b = appendInt(b, `,"birth_year":`, 1940+r.below(70))
	b = append(b, `,"consent":{"ads":true,"analytics":false,"version":"2025-11"}},"device":{"id":"`...)
	b = r.hex(b, 16)
	b = appendText(b, `","os":"`, pick(r, systems))
	b = appendInt(b, `","os_version":"`, 10+r.below(9))
	b = appendText(b, `","model":"`, pick(r, models))
	b = append(b, `","mcc":`...)
	switch {
	case fault == WrongType:
		b = append(b, e.user.mcc...)
	case fault == TestNetwork:
		b = append(b, `"001"`...)
	case e.sim:
		b = append(appendText(b, `"`, e.user.mcc), '"')
	default:
		b = append(b, `null`...)
	}
	b = appendText(b, `,"locale":"en-`, e.user.country)
	b = append(b, `","battery":0.`...)
	b = strconv.AppendInt(b, int64(r.below(100)), 10)
	b = append(b, `},"network":{"ip":"`...)
	b = e.address(b, r, fault)
	b = appendText(b, `","type":"`, pick(r, networks))
	b = appendInt(b, `","rtt_ms":`, 5+r.below(400))
	b = append(b, `},"app":{"name":"shop","version":"8.14.2","build":81402,"screen":"`...)
	b = append(b, pick(r, screens)...)
	b = r.hex(append(b, `","session":"`...), 8)
	b = r.hex(append(b, `","trace":"`...), 16)
	b = append(b, `"},"properties":{"referrer":"https://example.com/search?q=`...)
	b = appendInt(b, `shoes&page=`, r.below(40))
	b = appendInt(b, `","item_id":"sku-`, 10_000+r.below(90_000))
	b = appendInt(b, `","price_minor":`, 99+r.below(50_000))
	b = appendText(b, `,"currency":"`, pick(r, currencies))
	b = appendInt(b, `","position":`, r.below(60))
	b = appendInt(b, `,"dwell_ms":`, r.below(60_000))
	return append(b, `,"visible":true}}`...)
}

// region appends the member /user/verified_region, for some faults with a twin.
func (e *event) region(b []byte, fault Fault) []byte {
	const member = `,"verified_region":"`
	switch fault {
	case NotAvailable:
		return append(b, member+`N/A"`...)
	case BlankCountry:
		return append(b, member+`"`...)
	case LookAlike:
		return append(b, member+"\u0405\u0415\""...) // DZE and IE for SE
	case UnassignedCountry:
		return append(b, member+`ZZ"`...)
	case BadUTF8:
		return append(b, member+"D\xff\""...)
	}
	b = append(appendText(b, member, e.user.country), '"')
	switch fault {
	case RepeatedKey:
		b = append(appendText(b, member, e.other()), '"')
	case FoldedKey:
		b = append(appendText(b, `,"Verified_Region":"`, e.other()), '"')
	case EscapedKey:
		b = append(appendText(b, `,"\u0076erified_region":"`, e.other()), '"')
	}
	return b
}

// other is a country of another home than the user's.
func (e *event) other() string { return places.byHome[(e.user.home+1)%3][0].country }

func (e *event) address(b []byte, r *random, fault Fault) []byte {
	switch fault {
	case PrivateAddress:
		return appendInt(append(b, "10."...), "1.2.", r.below(256))
	case SharedAddress:
		return appendInt(append(b, "100.64."...), "7.", r.below(256))
	case LeadingZeros:
		return appendInt(b, "012.034.5.", r.below(256))
	}
	return r.address(pick(r, e.seen.prefixes)).AppendTo(b)
}

// spoil damages a whole document as f says.
func (f Fault) spoil(doc []byte, user *place) []byte {
	switch f {
	case TrailingBytes:
		return appendText(append(doc, `{"user":{"verified_region":"`...), user.country, `"}}`)
	case DeepNesting:
		doc = append(doc[:len(doc)-1], `,"tree":`...)
		doc = append(doc, strings.Repeat("[", 200)+strings.Repeat("]", 200)...)
		return append(doc, '}')
	case Truncated:
		return doc[:len(doc)-40]
	case ByteOrderMark:
		return bytes.Join([][]byte{{0xef, 0xbb, 0xbf}, doc}, nil)
	case EmptyValue:
		return []byte{}
	case Tombstone:
		return nil
	}
	return doc
}

func appendText(b []byte, parts ...string) []byte {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func appendInt(b []byte, before string, n int) []byte {
	return strconv.AppendInt(append(b, before...), int64(n), 10)
}
