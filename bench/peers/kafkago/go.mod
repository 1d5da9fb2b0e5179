module github.com/demarc/demarc/bench/peers/kafkago

go 1.26.0

require (
	github.com/oschwald/maxminddb-golang/v2 v2.9.0
	github.com/segmentio/kafka-go v0.4.51
	github.com/tidwall/gjson v1.18.0
)

require (
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/pierrec/lz4/v4 v4.1.33 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.2.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
