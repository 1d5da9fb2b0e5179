package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// credentials are a connection's settings with the files read: what a Kafka client takes.
type credentials struct {
	tls  *tls.Config    // nil: no TLS
	sasl sasl.Mechanism // nil: no SASL
}

// dial connects to a broker of the source, with TLS done where the settings ask for it.
func (c credentials) dial(ctx context.Context, network, address string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: 10 * time.Second}
	if c.tls == nil {
		return plain.DialContext(ctx, network, address)
	}
	return (&tls.Dialer{NetDialer: plain, Config: c.tls}).DialContext(ctx, network, address)
}

// open reads the files that the settings name. prefix names the settings in messages.
func (c *connection) open(prefix string) (credentials, error) {
	config, err := c.openTLS(prefix)
	if err != nil {
		return credentials{}, usageError(err)
	}
	mech, err := c.openSASL(prefix)
	if err != nil {
		return credentials{}, usageError(err)
	}
	return credentials{tls: config, sasl: mech}, nil
}

func (c *connection) openTLS(prefix string) (*tls.Config, error) {
	if !c.TLS {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.TLSServerName}
	if c.TLSCA != "" {
		pem, err := os.ReadFile(c.TLSCA)
		if err != nil {
			return nil, fmt.Errorf("%sTLS_CA: %w", prefix, err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%sTLS_CA: read %s: no certificate in PEM form", prefix, c.TLSCA)
		}
	}
	if c.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("%sTLS_CERT: %w", prefix, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func (c *connection) openSASL(prefix string) (sasl.Mechanism, error) {
	if c.SASLMechanism == "" {
		return nil, nil
	}
	password := string(c.SASLPassword)
	if c.SASLPasswordFile != "" {
		text, err := os.ReadFile(c.SASLPasswordFile)
		if err != nil {
			return nil, fmt.Errorf("%sSASL_PASSWORD_FILE: %w", prefix, err)
		}
		password = strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
		if password == "" {
			return nil, fmt.Errorf("%sSASL_PASSWORD_FILE: %s is empty", prefix, c.SASLPasswordFile)
		}
	}
	var algorithm scram.Algorithm
	switch c.SASLMechanism {
	case "plain":
		return plain.Mechanism{Username: c.SASLUser, Password: password}, nil
	case "scram-sha-256":
		algorithm = scram.SHA256
	case "scram-sha-512":
		algorithm = scram.SHA512
	}
	m, err := scram.Mechanism(algorithm, c.SASLUser, password)
	if err != nil { // not wrapped: it could quote the password
		return nil, errors.New(prefix + "SASL_USER or its password holds characters that SCRAM forbids (RFC 4013)")
	}
	return m, nil
}
