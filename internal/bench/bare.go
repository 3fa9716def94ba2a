package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
)

// bareCommand makes this program the baseline, with its store in the directory
// that follows.
const bareCommand = "bare"

// bare is the baseline: signature, seal, synced write, 200.
type bare struct {
	db  *pebble.DB
	key *subtle.AESGCM
}

// serveBare runs the baseline until ctx ends.
func serveBare(ctx context.Context, dir string, stdout io.Writer) (err error) {
	b, err := openBare(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.db.Close()) }()
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("open the baseline's listener: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+inboundPath, b.receive)
	mux.HandleFunc("GET /metrics", allocations)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	_, _ = fmt.Fprintf(stdout, "ready public=http://%s admin=http://%[1]s\n", listener.Addr())
	select {
	case err = <-served:
		return err
	case <-ctx.Done():
		return server.Close()
	}
}

// openBare opens the store as the hub's embedded driver does.
func openBare(dir string) (*bare, error) {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw)
	key, err := subtle.NewAESGCM(raw)
	if err != nil {
		return nil, fmt.Errorf("make the baseline's key: %w", err)
	}
	db, err := pebble.Open(filepath.Join(dir, "bare"), &pebble.Options{
		CacheSize: 32 << 20, MemTableSize: 16 << 20,
		FormatMajorVersion: pebble.FormatTableFormatV6,
		Logger:             quiet{},
	})
	if err != nil {
		return nil, fmt.Errorf("open the baseline's store: %w", err)
	}
	return &bare{db: db, key: key}, nil
}

// quiet keeps Pebble's notes off the terminal.
type quiet struct{}

func (quiet) Infof(string, ...any)         {}
func (quiet) Errorf(string, ...any)        {}
func (quiet) Fatalf(form string, a ...any) { panic(fmt.Sprintf(form, a...)) }

func (b *bare) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, "the body did not arrive", http.StatusBadRequest)
		return
	}
	if !signed(body, r.Header.Get(signatureHeader)) {
		http.Error(w, "bad signature", http.StatusUnauthorized)
		return
	}
	row := make([]byte, 16)
	_, _ = rand.Read(row)
	sealed, err := b.key.Encrypt(body, row)
	if err == nil {
		err = b.db.Set(row, sealed, pebble.Sync)
	}
	if err != nil {
		http.Error(w, "not stored", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"ok":true}`)
}

// allocations answers with what the hub's metrics call by the same names.
func allocations(w http.ResponseWriter, _ *http.Request) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	_, _ = fmt.Fprintf(w, "%s %d\n%s %d\n", metricMallocs, m.Mallocs, metricAllocBytes, m.TotalAlloc)
}
