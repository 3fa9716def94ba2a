package pebbletable

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/channelhub/channelhub/hub/model"
)

const (
	// Pebble counts memtables into the cache; of what is left, the filters and
	// indexes of a few GB of rows fit in. It is taken only as it fills.
	cacheBytes = 96 << 20
	// The log is rotated and flushed when a memtable is full. 16 MiB keeps
	// several of the largest commits in one, and an idle hub small.
	memTableBytes = 16 << 20
	// 10 bits a key let 1 in 100 lookups of an absent row through: the first
	// step for every new event is such a lookup.
	bloomBits    = 10
	maxOpenFiles = 500
	// An index of one level for each file: with a second one, every lookup of
	// an absent row reads and decodes a block before it asks the filter.
	indexBlockBytes = 1 << 20
	// The table format of a store is raised by a release on purpose, since
	// older releases cannot open it then. This one checksums each log chunk
	// with the offset synced before it, so that damage in the middle of the
	// log is told from an end torn by a crash.
	pebbleFormat = pebble.FormatTableFormatV6
)

func (st *Store) options(fs vfs.FS) *pebble.Options {
	o := &pebble.Options{
		FS:                 fs,
		Lock:               st.lock,
		CacheSize:          cacheBytes,
		MemTableSize:       memTableBytes,
		MaxOpenFiles:       maxOpenFiles,
		FormatMajorVersion: pebbleFormat,
		Logger:             logger{store: st},
		EventListener: &pebble.EventListener{
			BackgroundError: st.report,
			FlushEnd: func(info pebble.FlushInfo) {
				if info.Err == nil {
					return
				}
				select {
				case st.refused <- struct{}{}:
				default:
				}
			},
			// The default would end the process over one damaged block; the
			// call that met it says model.Corrupt and the rest stays usable.
			DataCorruption: func(info pebble.DataCorruptionInfo) {
				st.report(fmt.Errorf("%s is damaged: %w", info.Path, info.Details))
			},
		},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBits)
		o.Levels[i].IndexBlockSize = indexBlockBytes
		o.Levels[i].Compression = uncompressed
	}
	return o
}

// uncompressed leaves blocks as they are: what fills them is sealed, so that
// they would hardly shrink, and was compressed before where that paid.
func uncompressed() *sstable.CompressionProfile { return sstable.NoCompression }

// storeFormat is the form of keys and values that this package writes.
const storeFormat = "1"

// checkFormat writes the format into a new store and refuses one of a later
// release, before a row could be misread.
func checkFormat(db *pebble.DB) error {
	key := []byte{formatSpace}
	value, closer, err := db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return db.Set(key, []byte(storeFormat), pebble.Sync)
	}
	if err != nil {
		return err
	}
	found := string(value)
	if err := closer.Close(); err != nil {
		return err
	}
	if found != storeFormat {
		return model.Errorf(model.Unavailable, "check format",
			"the data is in format %q and this release reads %q: start the release that wrote it", found, storeFormat)
	}
	return nil
}
