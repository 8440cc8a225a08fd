// The program that tests build: transparency-dev's omniwitness, which cosigns checkpoints (C2SP tlog-witness).
//
//go:build tools

package omniwitness

import _ "github.com/transparency-dev/witness/cmd/omniwitness"
