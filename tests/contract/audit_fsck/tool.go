// The programs that tests build: tessera's fsck, which checks a whole log of C2SP tlog-tiles.
//
//go:build tools

package fsck

import _ "github.com/transparency-dev/tessera/cmd/fsck"
