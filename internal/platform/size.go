package platform

import (
	"io/fs"
	"path/filepath"
	"syscall"
)

// Size is how many bytes of the disk a file or folder takes, as du counts. What cannot be read counts for nothing.
func Size(path string) (bytes int64) {
	_ = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := e.Info(); err == nil {
			bytes += onDisk(info)
		}
		return nil
	})
	return bytes
}

// onDisk is what a file takes: its blocks, which are fewer than its size where it has holes.
func onDisk(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}
