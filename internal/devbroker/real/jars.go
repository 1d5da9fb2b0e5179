//go:build unix

package real

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

//go:embed pom.xml
var pom []byte

// ErrMissing is the error of a machine that lacks a program.
var ErrMissing = errors.New("skipped because a program is missing")

var packages = map[string]string{"java": "default-jre-headless", "mvn": "maven", "kcat": "kcat"}

// Need says with ErrMissing which of the programs java, mvn and kcat is not installed.
func Need(programs ...string) error {
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			return fmt.Errorf("%w: %s (try: apt-get install %s)", ErrMissing, p, packages[p])
		}
	}
	return nil
}

// Jars returns the folder of Kafka's jars. The first call on a machine downloads them with Maven into the
// user's cache (about 54 MB); several processes may call it at once.
func Jars(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find Kafka's jars: %w", err)
	}
	sum := sha256.Sum256(pom)
	dir := filepath.Join(cache, "demarc", "kafka-"+hex.EncodeToString(sum[:6]))
	libs := filepath.Join(dir, "libs")
	if _, err := os.Stat(libs); err == nil {
		return libs, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("keep Kafka's jars: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", fmt.Errorf("keep Kafka's jars: %w", err)
	}
	defer lock.Close() // also unlocks
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("keep Kafka's jars: %w", err)
	}
	if _, err := os.Stat(libs); err == nil {
		return libs, nil
	}
	return libs, download(ctx, dir, libs)
}

// download puts the jars in place whole or not at all.
func download(ctx context.Context, dir, libs string) error {
	if err := Need("mvn"); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), pom, 0o644); err != nil {
		return fmt.Errorf("keep Kafka's jars: %w", err)
	}
	partial := libs + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return fmt.Errorf("keep Kafka's jars: %w", err)
	}
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory="+partial)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("download Kafka's jars with mvn: %w\n%s", err, out)
	}
	if err := os.Rename(partial, libs); err != nil {
		return fmt.Errorf("keep Kafka's jars: %w", err)
	}
	return nil
}
