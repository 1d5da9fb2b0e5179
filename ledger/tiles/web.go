package tiles

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"time"
)

// Over HTTP a request is tried attempts times, pauses in between that double; each try has a time limit.
const (
	attempts       = 5
	firstPause     = 250 * time.Millisecond
	requestTimeout = time.Minute
	webConcurrency = 16

	trusted = 1 << 20 // bytes that are made room for because a server promises them
)

// web is a log that a server gives out as static files.
type web struct {
	root   *url.URL
	client *http.Client
	pause  time.Duration // before the second try
}

// Web is the log whose resources lie under an http or https URL.
func Web(root string) (Source, error) {
	u, err := url.Parse(root)
	var wrong *url.Error
	if errors.As(err, &wrong) {
		return nil, fmt.Errorf("parse URL of the log: %w", wrong.Err) // the URL itself may hold a password
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("parse URL of the log: want http://HOST/PATH or https://HOST/PATH, not %s", u.Redacted())
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = webConcurrency
	return &web{u, &http.Client{Transport: transport, Timeout: requestTimeout}, firstPause}, nil
}

func (w *web) Concurrency() int { return webConcurrency }

func (w *web) Get(ctx context.Context, path string, limit int64) ([]byte, error) {
	pause := w.pause
	for try := 1; ; try++ {
		data, err := w.try(ctx, path, limit)
		var passing *passingError
		if try == attempts || !errors.As(err, &passing) {
			return data, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
		pause *= 2
	}
}

// passingError is worth another try.
type passingError struct{ cause error }

func (e *passingError) Error() string { return e.cause.Error() }

func (e *passingError) Unwrap() error { return e.cause }

func (w *web) try(ctx context.Context, path string, limit int64) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.root.JoinPath(path).String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := w.client.Do(request)
	if err != nil {
		return nil, &passingError{err}
	}
	defer response.Body.Close()
	switch code := response.StatusCode; {
	case code == http.StatusOK:
	case code == http.StatusNotFound || code == http.StatusGone:
		return nil, fmt.Errorf("server says %d: %w", code, fs.ErrNotExist)
	case code == http.StatusTooManyRequests || code >= 500:
		return nil, &passingError{fmt.Errorf("server says %d %s", code, http.StatusText(code))}
	default:
		return nil, fmt.Errorf("server says %d %s", code, http.StatusText(code))
	}
	if response.ContentLength > limit {
		return nil, ErrTooLarge
	}
	data, err := readAll(response.Body, min(response.ContentLength, trusted), limit)
	if err != nil && !errors.Is(err, ErrTooLarge) {
		return nil, &passingError{err}
	}
	return data, err
}
